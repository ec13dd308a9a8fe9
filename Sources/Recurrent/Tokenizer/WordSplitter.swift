/// Cuts text into the words within which bytes are paired, as GPT-2 does. The pattern is, in the order of its
/// alternatives, the first of which that fits counts:
///
/// ```
/// 's | 't | 're | 've | 'm | 'll | 'd        what English abbreviates
///  ?\p{L}+ |  ?\p{N}+ |  ?[^\s\p{L}\p{N}]+   a run of one class, with a blank before it
/// \s+(?!\S) | \s+                            white space, but for its last before something else
/// ```
struct WordSplitter {
    private let bytes: [UInt8]
    private let end: Int
    private var position: Int

    /// Of the UTF-8 in a range of `bytes`.
    init(_ bytes: [UInt8], _ range: Range<Int>) {
        (self.bytes, position, end) = (bytes, range.lowerBound, range.upperBound)
    }

    /// The next word; nil when there is none. Words lie one behind the other and leave nothing out.
    mutating func next() -> Range<Int>? {
        guard position < end else { return nil }
        let start = position
        if let length = abbreviation(at: start) {
            position += length
            return start..<position
        }
        let first = bytes[start] == UInt8(ascii: " ") && start + 1 < end ? start + 1 : start
        let (kind, _) = character(at: first)
        position = run(of: kind, from: kind == .space ? start : first)
        if kind == .space, position < end {
            let last = lastOfRun(start..<position)
            if last > start { position = last }
        }
        return start..<position
    }

    private func abbreviation(at start: Int) -> Int? {
        guard bytes[start] == UInt8(ascii: "'"), start + 1 < end else { return nil }
        let second = bytes[start + 1]
        if "stmd".utf8.contains(second) { return 2 }
        guard start + 2 < end else { return nil }
        switch (second, bytes[start + 2]) {
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return 3
        default: return nil
        }
    }

    private func run(of kind: CharacterClass, from start: Int) -> Int {
        var position = start
        while position < end {
            let (found, length) = character(at: position)
            if found != kind { break }
            position += length
        }
        return position
    }

    /// Where the last character of a range begins.
    private func lastOfRun(_ range: Range<Int>) -> Int {
        var last = range.upperBound - 1
        while last > range.lowerBound, bytes[last] & 0xC0 == 0x80 { last -= 1 }
        return last
    }

    private func character(at position: Int) -> (kind: CharacterClass, length: Int) {
        let byte = UInt32(bytes[position])
        if byte < 0x80 { return (CharacterClass(Unicode.Scalar(UInt8(byte))), 1) }
        let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
        var value = byte & (0xFF >> UInt32(length + 1))
        for index in 1..<length { value = value << 6 | UInt32(bytes[position + index] & 0x3F) }
        return (CharacterClass(Unicode.Scalar(value)!), length)
    }
}
