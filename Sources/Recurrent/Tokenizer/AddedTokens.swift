/// Tokens of whole texts that are looked for before anything else is done to a text, like `<|endoftext|>`.
struct AddedTokens: Sendable {
    struct Token: Sendable {
        let id: Int32
        let content: [UInt8]
        /// Whether it takes white space on its left, on its right, with it.
        var stripsLeft = false
        var stripsRight = false
    }

    /// By their first byte; of each the longest first.
    private var tokens: [UInt8: [Token]] = [:]

    init(_ list: [Token]) {
        for token in list where !token.content.isEmpty { tokens[token.content[0], default: []].append(token) }
        for first in tokens.keys { tokens[first]!.sort { $0.content.count > $1.content.count } }
    }

    enum Piece: Equatable {
        case text(Range<Int>)
        case token(Int32)
    }

    /// Cuts text where these tokens stand: at each place the longest, from the left.
    ///
    /// White space that a token has taken on its right may itself hold a token; that is then one of its own, as the
    /// files' makers have it.
    func split(_ bytes: [UInt8]) -> [Piece] {
        if tokens.isEmpty { return bytes.isEmpty ? [] : [.text(0..<bytes.count)] }
        var (pieces, start, position): ([Piece], Int, Int) = ([], 0, 0)
        while position < bytes.count {
            guard let found = tokens[bytes[position]]?.first(where: { bytes[position...].starts(with: $0.content) })
            else {
                position += 1
                continue
            }
            let before = found.stripsLeft && position > start ? Self.trimmed(bytes, start..<position) : position
            if before > start { pieces.append(.text(start..<before)) }
            pieces.append(.token(found.id))
            position += found.content.count
            start = found.stripsRight ? Self.skipped(bytes, position) : position
        }
        if start < bytes.count { pieces.append(.text(start..<bytes.count)) }
        return pieces
    }

    private static func trimmed(_ bytes: [UInt8], _ range: Range<Int>) -> Int {
        let text = String(decoding: bytes[range], as: UTF8.self).unicodeScalars
        return range.lowerBound
            + text.reversed().drop { $0.properties.isWhitespace }.reduce(0) { $0 + UTF8.width($1) }
    }

    private static func skipped(_ bytes: [UInt8], _ start: Int) -> Int {
        let text = String(decoding: bytes[start...], as: UTF8.self).unicodeScalars
        return start + text.prefix { $0.properties.isWhitespace }.reduce(0) { $0 + UTF8.width($1) }
    }
}
