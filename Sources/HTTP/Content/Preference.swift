/// What a client would like, from fields like `Accept` and `Accept-Encoding`: names with qualities (RFC 9110 §12.4.2).
public struct Preference: Sendable {
    /// Lower-case names without parameters, and qualities in thousandths.
    private var items: [(name: String, quality: Int)] = []

    /// Reads the values of a field. What is no list of names is taken for as far as it can be read.
    public init(_ values: [String]) {
        for value in values {
            for item in value.split(separator: ",") {
                let parts = item.split(separator: ";").map(Self.trimmed)
                guard let name = parts.first, !name.isEmpty else { continue }
                let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Self.quality(of: $0.dropFirst(2)) }
                items.append((name, quality ?? 1000))
            }
        }
    }

    /// Of media types: the quality of one, in thousandths, by the most specific range that has it (RFC 9110 §12.5.1).
    public func quality(ofType type: String) -> Int {
        let main = type.prefix { $0 != "/" }
        return quality(of: type) { quality(of: "\(main)/*", orElse: "*/*") }
    }

    /// The quality of a name, in thousandths; where the name is not there, that of the other; 0 without either.
    public func quality(of name: String, orElse other: String) -> Int { quality(of: name) { quality(of: other) { 0 } } }

    private func quality(of name: String, orElse: () -> Int) -> Int {
        items.first { $0.name == name }?.quality ?? orElse()
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text.lowercased()
    }

    /// `0.25` is 250; what is no quality counts as none given.
    private static func quality(of text: Substring) -> Int {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = Int(parts[0]), (0...1).contains(whole) else { return 1000 }
        guard parts.count == 2, whole == 0 else { return whole * 1000 }
        let digits = parts[1].prefix(3)
        guard digits.allSatisfy({ ("0"..."9").contains($0) }) else { return 1000 }
        return Int(digits + String(repeating: "0", count: 3 - digits.count)) ?? 1000
    }
}
