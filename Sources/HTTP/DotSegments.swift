/// The segments `.` and `..` of a path (RFC 3986 §5.2.4), also with the dots escaped, which is the same (§6.2.2.2).
enum DotSegments {
    private enum Kind { case here, parent, name }

    /// The path without them; nil when it has none. A path cannot lead above its root.
    static func removed(from bytes: [UInt8], _ path: Range<Int>) -> [UInt8]? {
        guard mayHaveSome(bytes, path) else { return nil }
        let segments = bytes[path].dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        var (kept, hasSome): ([ArraySlice<UInt8>], Bool) = ([], false)
        for (index, segment) in segments.enumerated() {
            let kind = kind(segment)
            guard kind != .name else {
                kept.append(segment)
                continue
            }
            hasSome = true
            if kind == .parent { _ = kept.popLast() }
            if index == segments.count - 1 { kept.append([]) }
        }
        return hasSome ? kept.reduce(into: []) { $0 += [UInt8(ascii: "/")] + $1 } : nil
    }

    /// Whether any segment begins as one of them does: hardly any path has such.
    private static func mayHaveSome(_ bytes: [UInt8], _ path: Range<Int>) -> Bool {
        for index in path.dropLast() where bytes[index] == UInt8(ascii: "/") {
            if bytes[index + 1] == UInt8(ascii: ".") || bytes[index + 1] == UInt8(ascii: "%") { return true }
        }
        return false
    }

    private static func kind(_ segment: ArraySlice<UInt8>) -> Kind {
        var (rest, dots) = (segment, 0)
        while let first = rest.first {
            if first == UInt8(ascii: ".") {
                rest = rest.dropFirst()
            } else if rest.starts(with: "%2e".utf8) || rest.starts(with: "%2E".utf8) {
                rest = rest.dropFirst(3)
            } else {
                return .name
            }
            dots += 1
        }
        return dots == 1 ? .here : dots == 2 ? .parent : .name
    }
}
