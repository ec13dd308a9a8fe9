import Testing

@testable import HTTP

struct RequestParserTests {
    @Test("A head is taken apart")
    func parts() throws {
        let text =
            "POST /v1/a%2Fb/?q=a+b%26&e&q=2 HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2 \r\nContent-Length: 007\r\n\r\nrest"
        let (head, length) = try #require(try RequestParser.parse(Array(text.utf8)))
        #expect(length == text.utf8.count - 4)
        #expect(head.method == .post)
        #expect(head.target == "/v1/a%2Fb/?q=a+b%26&e&q=2")
        #expect(head.segments == ["v1", "a/b", ""])
        #expect(head.query.map(\.name) == ["q", "e", "q"])
        #expect(head.query("q") == "a b&")
        #expect(head.query("e") == "")
        #expect(head.query("none") == nil)
        #expect(head.fields["X-a"] == "1")
        #expect(head.fields.values(of: "X-A") == ["1", "2"])
        #expect(head.framing == .length(7))
        #expect(head.keepsAlive)
    }

    @Test("Token characters are those of RFC 9110")
    func tokens() {
        let tokens = Set("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        for byte in UInt8.min ... .max { #expect(byte.isToken == tokens.contains(byte)) }
    }

    @Test("A head may be as long as its limit, to the byte")
    func longestHead() throws {
        let text = Array("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n".utf8)
        var limits = HTTPLimits()
        (limits.targetBytes, limits.headBytes) = (10, text.count)
        #expect(try RequestParser.parse(text, limits: limits)?.length == text.count)
        limits.headBytes -= 1
        let error = #expect(throws: HTTPError.self) { try RequestParser.parse(text, limits: limits) }
        #expect(error?.slug == "head-too-large")
    }
}
