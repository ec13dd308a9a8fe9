/// Classes of octets (RFC 9110 §5.5 and §5.6.2), as questions to a byte.
extension UInt8 {
    static let cr: UInt8 = 13
    static let lf: UInt8 = 10
    static let space: UInt8 = 32
    static let tab: UInt8 = 9

    /// `tchar`: a visible ASCII character that is no delimiter. Two words of bits, one for each half of ASCII.
    var isToken: Bool {
        let low: UInt64 = 0x03ff_6cfa_0000_0000
        let high: UInt64 = 0x57ff_ffff_c7ff_fffe
        return self < 128 && (self < 64 ? low : high) >> UInt64(self & 63) & 1 == 1
    }

    /// What a field value may contain: visible characters, space, tab, and `obs-text`.
    var isFieldText: Bool { self >= 32 ? self != 127 : self == .tab }

    /// Visible ASCII but for what would end the authority of a URI or join two (RFC 3986 §3.2).
    var isHostText: Bool {
        switch self {
        case 35, 44, 47, 63, 64, 92: false  // # , / ? @ \
        default: isVisible
        }
    }

    /// Visible ASCII without space.
    var isVisible: Bool { self > 32 && self < 127 }

    var isDigit: Bool { self &- 48 < 10 }

    var isBlank: Bool { self == .space || self == .tab }

    var lowercased: UInt8 { self &- 65 < 26 ? self | 32 : self }

    /// The value of a hexadecimal digit.
    var hexValue: UInt8? {
        switch self {
        case 48...57: self - 48
        case 65...70: self - 55
        case 97...102: self - 87
        default: nil
        }
    }

    /// A digit of lower-case hexadecimal, for 0...15.
    static func hexDigit(_ value: Int) -> UInt8 { UInt8(value < 10 ? 48 + value : 87 + value) }
}

extension [UInt8] {
    /// Whether the bytes of `range` spell `word`, whatever the case of ASCII letters.
    func spells(_ word: String, in range: Range<Int>) -> Bool {
        let utf8 = word.utf8
        guard range.count == utf8.count else { return false }
        var index = range.lowerBound
        for byte in utf8 {
            if self[index].lowercased != byte.lowercased { return false }
            index += 1
        }
        return true
    }

    /// `range` without blanks at both ends.
    func trimmingBlanks(_ range: Range<Int>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, self[start].isBlank { start += 1 }
        while end > start, self[end - 1].isBlank { end -= 1 }
        return start..<end
    }

    mutating func append(decimal number: Int) {
        var (rest, digits) = (UInt(number), 1)
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        let start = count
        for _ in 0..<digits { append(48) }
        rest = UInt(number)
        for index in stride(from: start + digits - 1, through: start, by: -1) {
            self[index] = UInt8(48 + rest % 10)
            rest /= 10
        }
    }

    mutating func append(hex number: UInt64, digits: Int) {
        for place in stride(from: digits - 1, through: 0, by: -1) {
            append(.hexDigit(Int(number >> UInt64(4 * place) & 15)))
        }
    }

    mutating func append(_ text: String) { append(contentsOf: text.utf8) }
}
