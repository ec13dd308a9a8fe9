/// Numeric addresses of hosts, in all spellings that programs take for the same.
public enum NumericAddress {
    /// The eight groups of an IPv6 address (RFC 4291 §2.2); nil where `text` is none.
    public static func v6(_ text: some StringProtocol) -> [UInt16]? {
        let halves = parts(Substring(text), "::")
        guard halves.count <= 2 else { return nil }
        var sides: [[UInt16]] = []
        for (index, half) in halves.enumerated() {
            guard let groups = groups(half, isLast: index == halves.count - 1) else { return nil }
            sides.append(groups)
        }
        let count = sides.reduce(0) { $0 + $1.count }
        if sides.count == 1 { return count == 8 ? sides[0] : nil }
        // A gap stands for one group at least.
        guard count < 8 else { return nil }
        return sides[0] + [UInt16](repeating: 0, count: 8 - count) + sides[1]
    }

    private static func parts(_ text: Substring, _ separator: String) -> [Substring] {
        var (found, rest): ([Substring], Substring) = ([], text)
        while let place = rest.indices.first(where: { rest[$0...].hasPrefix(separator) }) {
            found.append(rest[..<place])
            rest = rest[rest.index(place, offsetBy: separator.count)...]
        }
        return found + [rest]
    }

    private static func groups(_ text: Substring, isLast: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        var groups: [UInt16] = []
        let words = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, word) in words.enumerated() {
            if isLast, index == words.count - 1, word.contains(".") {
                let bytes = word.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
                guard bytes.count == 4, !bytes.contains(nil), word.allSatisfy({ $0.isNumber || $0 == "." }) else {
                    return nil
                }
                groups.append(UInt16(bytes[0]!) << 8 | UInt16(bytes[1]!))
                groups.append(UInt16(bytes[2]!) << 8 | UInt16(bytes[3]!))
            } else {
                guard (1...4).contains(word.utf8.count), word.allSatisfy(\.isHexDigit),
                    let group = UInt16(word, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }

    /// An IPv6 address as browsers write it (URL Standard, "IPv6 serializer"): in lower case, with the longest run of
    /// zeros left out.
    public static func text(v6 groups: [UInt16]) -> String {
        var longest = 0..<0
        var start = 0
        while start < groups.count {
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start > max(1, longest.count) { longest = start..<end }
            start = max(end, start + 1)
        }
        func joined(_ groups: ArraySlice<UInt16>) -> String {
            groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        if longest.isEmpty { return joined(groups[...]) }
        return joined(groups[..<longest.lowerBound]) + "::" + joined(groups[longest.upperBound...])
    }

    /// Whether a host name is taken for an IPv4 address, right or wrong (URL Standard, "ends in a number").
    public static func isV4(_ host: some StringProtocol) -> Bool {
        var labels = Substring(host).split(separator: ".", omittingEmptySubsequences: false)
        if labels.last == "", labels.count > 1 { labels.removeLast() }
        guard let last = labels.last, !last.isEmpty else { return false }
        return last.allSatisfy { ("0"..."9").contains($0) } || number(last) != nil
    }

    /// An IPv4 address as browsers write it, as four decimal numbers (URL Standard, "IPv4 parser"); nil for none.
    public static func v4(_ host: some StringProtocol) -> String? {
        var labels = Substring(host).split(separator: ".", omittingEmptySubsequences: false)
        if labels.last == "", labels.count > 1 { labels.removeLast() }
        let numbers = labels.map(number)
        guard (1...4).contains(numbers.count), !numbers.contains(nil) else { return nil }
        // The last number fills what is left of the four bytes.
        let (first, last) = (numbers.dropLast().map { $0! }, numbers.last!!)
        guard first.allSatisfy({ $0 <= 255 }), last < 1 << (8 * (5 - UInt64(numbers.count))) else { return nil }
        var address = last
        for (index, number) in first.enumerated() { address += number << (8 * (3 - UInt64(index))) }
        return [24, 16, 8, 0].map { String(address >> UInt64($0) & 255) }.joined(separator: ".")
    }

    /// Decimal, octal behind 0, or hexadecimal behind 0x.
    private static func number(_ label: Substring) -> UInt64? {
        if label.isEmpty { return nil }
        let (digits, radix): (Substring, Int) =
            switch true {
            case label.hasPrefix("0x"), label.hasPrefix("0X"): (label.dropFirst(2), 16)
            case label.count > 1 && label.hasPrefix("0"): (label.dropFirst(), 8)
            default: (label, 10)
            }
        if digits.isEmpty { return 0 }
        guard digits.utf8.count <= 16, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) else { return nil }
        return UInt64(digits, radix: radix)
    }
}
