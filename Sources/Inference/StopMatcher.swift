/// Finds the first of several stop texts in a text that arrives piece by piece, and holds back what may become one.
struct StopMatcher {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []

    init(_ stops: [String]) { self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty } }

    /// Takes the next piece. `text` can no longer be part of a stop text; after a match nothing of the match or behind
    /// it is given out.
    mutating func feed(_ piece: String) -> (text: String, matched: Bool) {
        if stops.isEmpty { return (piece, false) }
        held += Array(piece.utf8)
        for start in held.indices {
            let rest = held[start...]
            if stops.contains(where: { rest.starts(with: $0) }) {
                let text = String(decoding: held[..<start], as: UTF8.self)
                held.removeAll()
                return (text, true)
            }
            if stops.contains(where: { $0.starts(with: rest) }) {
                let text = String(decoding: held[..<start], as: UTF8.self)
                held.removeSubrange(..<start)
                return (text, false)
            }
        }
        defer { held.removeAll() }
        return (String(decoding: held, as: UTF8.self), false)
    }

    /// What is held back, when nothing more will come: a stop text may stand behind the beginning of a longer one.
    mutating func finish() -> (text: String, matched: Bool) {
        let end = held.indices.first { start in stops.contains { held[start...].starts(with: $0) } }
        defer { held.removeAll() }
        return (String(decoding: held[..<(end ?? held.count)], as: UTF8.self), end != nil)
    }
}
