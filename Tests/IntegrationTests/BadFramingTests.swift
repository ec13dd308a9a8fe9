import TestSupport
import Testing

@Suite("Bad framing and sizes", .server(LiveModels.letters, arguments: ["--max-body", "4KiB"]))
struct BadFramingTests {
    private static let head = "POST /v1/sessions/{id}/step HTTP/1.1\r\nHost: localhost\r\n"
    private static let chunked = head + "Transfer-Encoding: chunked\r\n\r\n"

    static let requests: [(name: String, bytes: String, status: Int, slug: String)] = [
        ("a chunk size that is no number", chunked + "xyz\r\n", 400, "bad-chunk"),
        ("a negative chunk size", chunked + "-5\r\n", 400, "bad-chunk"),
        ("a chunk size in C notation", chunked + "0x5\r\n", 400, "bad-chunk"),
        ("a chunk size that overflows", chunked + "fffffffffffffffff\r\n", 400, "bad-chunk"),
        ("a missing chunk size", chunked + "\r\n", 400, "bad-chunk"),
        ("a chunk longer than its size", chunked + "3\r\n{\"token\":1}\r\n0\r\n\r\n", 400, "bad-chunk"),
        ("a chunk line that ends in LF alone", chunked + "b\n{\"token\":1}\n0\n\n", 400, "bad-chunk"),
        ("a chunked body that is cut short", chunked + "b\r\n{\"token\"", 400, "body-cut-short"),
        ("a chunked body without its end", chunked + "b\r\n{\"token\":1}\r\n", 400, "body-cut-short"),
        ("a body shorter than its length", head + "Content-Length: 12\r\n\r\n{\"token\":1}", 400, "body-cut-short"),
        (
            "a length and a transfer coding",
            head + "Content-Length: 11\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n{\"token\":1}\r\n0\r\n\r\n", 400,
            "length-and-encoding"
        ),
        (
            "a transfer coding and a length",
            head + "Transfer-Encoding: chunked\r\nContent-Length: 11\r\n\r\nb\r\n{\"token\":1}\r\n0\r\n\r\n", 400,
            "length-and-encoding"
        ),
        ("two lengths", head + "Content-Length: 11\r\nContent-Length: 11\r\n\r\n{\"token\":1}", 400, "bad-length"),
        ("a list of lengths", head + "Content-Length: 11, 11\r\n\r\n{\"token\":1}", 400, "bad-length"),
        ("a negative length", head + "Content-Length: -1\r\n\r\n", 400, "bad-length"),
        ("a signed length", head + "Content-Length: +11\r\n\r\n{\"token\":1}", 400, "bad-length"),
        ("a length beyond all numbers", head + "Content-Length: 99999999999999999999\r\n\r\n", 413, "body-too-large"),
        ("a body that says it is too large", head + "Content-Length: 4097\r\n\r\n", 413, "body-too-large"),
        (
            "a chunk that is too large", chunked + "1001\r\n" + String(repeating: " ", count: 4097) + "\r\n0\r\n\r\n",
            413,
            "body-too-large"
        ),
        (
            "chunks that are too large together",
            chunked + String(repeating: "400\r\n" + String(repeating: " ", count: 1024) + "\r\n", count: 5)
                + "0\r\n\r\n",
            413, "body-too-large"
        ),
        (
            "an unknown transfer coding", head + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501,
            "encoding-not-implemented"
        ),
        (
            "a head that is too large", head + "X-Filler: " + String(repeating: "x", count: 20_000) + "\r\n\r\n", 431,
            "head-too-large"
        ),
        (
            "too many fields", head + (0..<101).map { "X-\($0): 1\r\n" }.joined() + "\r\n", 431, "too-many-fields"
        ),
        (
            "a target that is too long",
            "GET /v1/models/" + String(repeating: "m", count: 9000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414,
            "target-too-long"
        ),
        ("an unknown method", "BREW /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "method-not-implemented"),
        ("a method in small letters", "get /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "method-not-implemented"),
        ("CONNECT", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "method-not-implemented"),
        ("no host", "GET /livez HTTP/1.1\r\n\r\n", 400, "no-host"),
        ("another protocol", "GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, "version-not-supported"),
        ("no protocol at all", "hello\r\n\r\n", 400, "bad-request-line"),
        ("a space before a colon", head + "Content-Length : 11\r\n\r\n{\"token\":1}", 400, "bad-field-name"),
        (
            "an unknown expectation", head + "Expect: tea\r\nContent-Length: 11\r\n\r\n{\"token\":1}", 417,
            "expectation-failed"
        ),
    ]

    @Test("is refused with its own status, and nothing moves", arguments: requests.indices)
    func refused(index: Int) throws {
        let request = Self.requests[index]
        let client = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"letters","tokens":[1,2]}"#).string("id")
        let socket = try LiveServer.socket()
        try socket.send(request.bytes.replacing("{id}", with: id))
        socket.finishSending()
        let reply = try HTTPReply(parsing: socket.readUntilClose())
        try reply.expectProblem(request.status, request.slug)
        #expect(reply.headers["connection"] == "close" || reply.status == 405, "\(request.name)")
        #expect(try client.step(of: id) == 2, "\(request.name)")
        #expect(try client.get("/livez").status == 200)
    }

    @Test("a body of exactly the limit is taken, one byte more is not") func limit() throws {
        let client = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
        let body = "{\"token\":1" + String(repeating: " ", count: 4096 - 11) + "}"
        #expect(try client.post("/v1/sessions/\(id)/step", body).status == 200)
        try client.post("/v1/sessions/\(id)/step", " " + body).expectProblem(413, "body-too-large")
        #expect(try client.step(of: id) == 1)
    }

    @Test("the client's own request id comes back, also with a refusal") func requestID() throws {
        let client = try LiveServer.client()
        for path in ["/livez", "/nothing"] {
            let reply = try client.request("GET", path, headers: [("X-Request-Id", "my-id.7")])
            #expect(reply.headers["x-request-id"] == "my-id.7")
        }
        let reply = try client.request("GET", "/livez", headers: [("X-Request-Id", "not sane!")])
        #expect(reply.headers["x-request-id"]?.count == 16)
    }
}

extension HTTPReply {
    /// A reply as it came over a socket, whole.
    init(parsing text: String) throws {
        let end = try #require(text.firstRange(of: "\r\n\r\n"), "no reply: \(text)")
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        self.init()
        status = try #require(lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) }, "\(text)")
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
        }
        body = Array(text[end.upperBound...].utf8)
    }
}
