/// Percent-encoding (RFC 3986 §2.1) of targets.
enum PercentDecoding {
    /// Whether every escape in `range` is whole, none is NUL, and what the escapes spell is UTF-8.
    static func isValid(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        var index = range.lowerBound
        var hasHighByte = false
        while index < range.upperBound {
            if bytes[index] == UInt8(ascii: "%") {
                guard index + 2 < range.upperBound, let high = bytes[index + 1].hexValue,
                    let low = bytes[index + 2].hexValue, high | low != 0
                else { return false }
                if high >= 8 { hasHighByte = true }
                index += 3
            } else {
                index += 1
            }
        }
        return !hasHighByte || String(validating: decoded(bytes, range, plusIsSpace: false), as: UTF8.self) != nil
    }

    /// The bytes that a valid `range` stands for.
    static func decoded(_ bytes: [UInt8], _ range: Range<Int>, plusIsSpace: Bool) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%"), let high = bytes[index + 1].hexValue, let low = bytes[index + 2].hexValue {
                result.append(high << 4 | low)
                index += 3
            } else {
                result.append(plusIsSpace && byte == UInt8(ascii: "+") ? .space : byte)
                index += 1
            }
        }
        return result
    }

    static func text(_ bytes: [UInt8], _ range: Range<Int>, plusIsSpace: Bool = false) -> String {
        let isPlain = !bytes[range].contains { $0 == UInt8(ascii: "%") || plusIsSpace && $0 == UInt8(ascii: "+") }
        if isPlain { return String(decoding: bytes[range], as: UTF8.self) }
        return String(decoding: decoded(bytes, range, plusIsSpace: plusIsSpace), as: UTF8.self)
    }
}
