/// Makes text of the bytes of tokens as they come: a character that is split over tokens is given out when it is whole.
///
/// All that it has given out, one after the other, is what all bytes together would have made.
public struct TextDecoder: Sendable {
    /// The beginning of a character, at most three bytes.
    private var held: [UInt8] = []

    public init() {}

    /// Takes bytes and gives the text that they have made certain.
    public mutating func feed(_ bytes: [UInt8]) -> String {
        held += bytes
        let whole = held.count - Self.unfinished(held)
        defer { held.removeSubrange(..<whole) }
        return String(decoding: held[..<whole], as: UTF8.self)
    }

    /// The rest, when nothing more will come: U+FFFD for a character that was begun.
    public mutating func flush() -> String {
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }

    /// How many bytes at the end may become a character with others behind them.
    private static func unfinished(_ bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let byte = bytes[bytes.count - length]
            if byte & 0xC0 == 0x80 { continue }
            let needed = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return needed > length ? length : 0
        }
        return 0
    }
}
