/// Finds the first of several stop texts in a text that arrives piece by piece, and holds back what may become one.
struct StopMatcher {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []

    init(_ stops: [String]) { self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty } }

    /// Takes the next piece. `text` can no longer be part of a stop text; after a match nothing of the match or behind
    /// it is given out. The stop text that is complete first counts; of those that end together, the longest.
    mutating func feed(_ piece: String) -> (text: String, matched: Bool) {
        if stops.isEmpty { return (piece, false) }
        for byte in piece.utf8 {
            held.append(byte)
            let matching = stops.filter { held.suffix($0.count).elementsEqual($0) }
            if let longest = matching.map(\.count).max() {
                held.removeLast(longest)
                return (flush(), true)
            }
        }
        let start = held.indices.first { start in stops.contains { $0.starts(with: held[start...]) } } ?? held.count
        let text = String(decoding: held[..<start], as: UTF8.self)
        held.removeSubrange(..<start)
        return (text, false)
    }

    /// What is held back, when nothing more will come.
    mutating func flush() -> String {
        defer { held.removeAll() }
        return String(decoding: held, as: UTF8.self)
    }
}
