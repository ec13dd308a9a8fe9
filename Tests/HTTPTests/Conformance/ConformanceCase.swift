import Testing

@testable import HTTP

/// Bytes that a client sends on one connection, and what they must come to.
struct ConformanceCase: Sendable, CustomTestStringConvertible {
    /// What is special about the bytes.
    let name: String
    /// Where it is written, such as `9112 §5.1`.
    let source: String
    let bytes: [UInt8]
    /// An item for each request: what was understood of it, or the status and slug with which the connection ends.
    /// `waits` where more must come.
    let outcome: [String]

    init(_ name: String, _ source: String, _ text: String, _ outcome: String...) {
        (self.name, self.source, bytes, self.outcome) = (name, source, Array(text.utf8), outcome)
    }

    /// One whole request, of that request line and those fields, with a `Host`.
    init(_ name: String, _ source: String, line: String = "GET / HTTP/1.1", _ fields: String..., to outcome: String) {
        let head = ([line, "Host: h"] + fields).map { $0 + "\r\n" }.joined() + "\r\n"
        (self.name, self.source, bytes, self.outcome) = (name, source, Array(head.utf8), [outcome])
    }

    var testDescription: String { "\(name) (RFC \(source))" }

    static let all = requestLines + targets + fields + lengths + codings + chunks + connections
}

extension RequestHead {
    /// What was understood of it, and of its body: whatever differs by the bytes, in a line of its own.
    func summary(body: [UInt8]) -> String {
        var summary = "\(method.rawValue) \(segments)"
        if !query.isEmpty { summary += " \(query.map { "\($0.name)=\($0.value)" })" }
        let own = fields.pairs.filter { $0.name.lowercased().hasPrefix("x") }
        if !own.isEmpty { summary += " \(own.map { "\($0.name): \($0.value)" })" }
        if !body.isEmpty { summary += " \(String(decoding: body, as: UTF8.self).debugDescription)" }
        return keepsAlive ? summary : summary + " close"
    }
}

/// Requests and their bodies one after the other, out of pieces as they might arrive, without any connection.
struct ConformanceReader {
    private var parser: RequestParser
    private var input = InputBuffer()
    private var current: (head: RequestHead, content: RequestContent, body: [UInt8])?
    private let limits: HTTPLimits
    private(set) var outcome: [String] = []
    private var hasEnded = false

    init(_ limits: HTTPLimits) {
        (self.limits, parser) = (limits, RequestParser(limits: limits))
    }

    mutating func read(_ piece: ArraySlice<UInt8>) {
        guard !hasEnded else { return }
        input.bytes.append(contentsOf: piece)
        do throws(HTTPError) {
            while try readNext(), !hasEnded {}
        } catch {
            outcome.append("\(error.status.code) \(error.slug)")
            hasEnded = true
        }
    }

    /// Reads one request to its end; false for want of bytes.
    private mutating func readNext() throws(HTTPError) -> Bool {
        if current == nil {
            guard let head = try parser.next(&input) else { return false }
            current = (head, RequestContent(head, limits: limits), [])
        }
        while let part = try current!.content.next(&input) { current!.body += part }
        guard current!.content.isComplete else { return false }
        outcome.append(current!.head.summary(body: current!.body))
        hasEnded = !current!.head.keepsAlive
        current = nil
        return true
    }

    /// What it came to when no more comes.
    consuming func end() -> [String] { outcome + (!hasEnded && (current != nil || !input.isEmpty) ? ["waits"] : []) }
}
