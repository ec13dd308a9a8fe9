/// Parses request heads (RFC 9112 §2 to §6) from bytes that arrive in any pieces; does no input or output.
///
/// The contract. `next` looks at all bytes not yet consumed and either consumes a whole head and returns it, or returns
/// nil and wants to be called again with those bytes and more after them (it goes on where it stopped looking, so that
/// the work is linear in the bytes), or throws. After a head it is ready for the next; the body between the two is the
/// caller's to consume. After a throw the connection cannot be used further: where the next request begins is unknown.
/// The outcome depends on the bytes only, never on how they were cut into pieces. Lines are judged in their order, as
/// soon as they are complete or too long, and what concerns several fields at the end of the head. One empty line
/// before a request line is skipped (§2.2). Lines end in CR LF; a CR or LF elsewhere is an error.
///
/// Statuses: 400 malformed, 414 target too long, 417 unknown expectation, 431 head too large or too many fields,
/// 501 unknown method or transfer coding, 505 major version other than 1.
public struct RequestParser {
    private let limits: HTTPLimits
    /// Where the search for the next line feed goes on, from the buffer's start.
    private var searched = 0
    private var draft = HeadDraft()

    public init(limits: HTTPLimits = HTTPLimits()) {
        self.limits = limits
    }

    /// Feeds all of `bytes` to a fresh parser: a head and how many bytes it took, or nil for want of more.
    public static func parse(
        _ bytes: [UInt8], limits: HTTPLimits = HTTPLimits()
    ) throws(HTTPError) -> (head: RequestHead, length: Int)? {
        var parser = RequestParser(limits: limits)
        var input = InputBuffer(bytes: bytes)
        return try parser.next(&input).map { ($0, bytes.count - input.count) }
    }

    mutating func next(_ input: inout InputBuffer) throws(HTTPError) -> RequestHead? {
        if draft.isEmpty { skipEmptyLine(&input) }
        let origin = input.start
        while true {
            let line = origin + draft.end
            let feed = input.bytes[(origin + searched)...].firstIndex(of: .lf)
            let lineEnd = feed ?? input.bytes.count
            try checkSize(of: line..<lineEnd, head: (feed.map { $0 + 1 } ?? lineEnd) - origin, input.bytes)
            guard let feed else {
                searched = input.count
                return nil
            }
            guard feed > line, input.bytes[feed - 1] == .cr else {
                throw HTTPError(.badRequest, "bad-line-end", "A line ends in LF without CR.")  // RFC 9112 §2.2
            }
            let range = line..<(feed - 1)
            if draft.isEmpty {
                draft.entries.reserveCapacity(16)
                try draft.readRequestLine(input.bytes, range, origin: origin)
            } else if range.isEmpty {
                draft.end = feed + 1 - origin
                let head = try draft.finish(input.bytes[origin...feed])
                input.consume(draft.end)
                draft = HeadDraft()
                searched = 0
                return head
            } else {
                if draft.entries.count == limits.fields {
                    throw HTTPError(
                        .fieldsTooLarge, "too-many-fields", "The head has more than \(limits.fields) fields.")
                }
                try draft.readField(input.bytes, range, origin: origin)
            }
            draft.end = feed + 1 - origin
            searched = draft.end
        }
    }

    /// RFC 9112 §2.2: at least one empty line before the request line should be ignored.
    private mutating func skipEmptyLine(_ input: inout InputBuffer) {
        guard !draft.skippedEmptyLine, input.count >= 2, input.bytes[input.start] == .cr,
            input.bytes[input.start + 1] == .lf
        else { return }
        input.consume(2)
        searched = 0
        draft.skippedEmptyLine = true
    }

    /// A line's part that is there is judged just as the whole line would be, so that neither waits for the other.
    private func checkSize(of line: Range<Int>, head: Int, _ bytes: [UInt8]) throws(HTTPError) {
        if draft.isEmpty {
            // RFC 9112 §3: the request line is cut at its first space, and the target at the next.
            if line.count > limits.targetBytes,
                let start = bytes[line.prefix(32)].firstIndex(of: .space).map({ $0 + 1 }),
                (bytes[start..<line.upperBound].firstIndex(of: .space) ?? line.upperBound) - start > limits.targetBytes
            {
                throw HTTPError(
                    .uriTooLong, "target-too-long", "The target is longer than \(limits.targetBytes) bytes.")
            }
        }
        if head > limits.headBytes {
            throw HTTPError(
                .fieldsTooLarge, "head-too-large", "The head is longer than \(limits.headBytes) bytes.")  // RFC 6585 §5
        }
    }
}
