/// Takes a text that arrives in any pieces apart into its lines; does no input or output.
struct LineReader {
    struct TooLong: Error {}

    /// Bytes of a line, without its end.
    let limit: Int
    private var bytes: [UInt8] = []
    private var start = 0
    /// Where the search for the next line feed goes on.
    private var searched = 0

    init(limit: Int) { self.limit = limit }

    mutating func append(_ part: [UInt8]) {
        if start > 0 {
            bytes.removeSubrange(..<start)
            (searched, start) = (searched - start, 0)
        }
        bytes.append(contentsOf: part)
    }

    /// The next whole line, without its end (a carriage return before it is part of that); nil when there is none yet.
    mutating func next() throws(TooLong) -> [UInt8]? {
        guard let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) else {
            searched = bytes.count
            if bytes.count - start > limit { throw TooLong() }
            return nil
        }
        defer { (start, searched) = (end + 1, end + 1) }
        return try line(start..<end)
    }

    /// What is behind the last line's end; nil for nothing.
    mutating func rest() throws(TooLong) -> [UInt8]? {
        defer { (start, searched) = (bytes.count, bytes.count) }
        return start < bytes.count ? try line(start..<bytes.count) : nil
    }

    private func line(_ range: Range<Int>) throws(TooLong) -> [UInt8] {
        let end = bytes[range].last == UInt8(ascii: "\r") ? range.upperBound - 1 : range.upperBound
        guard end - range.lowerBound <= limit else { throw TooLong() }
        return Array(bytes[range.lowerBound..<end])
    }
}
