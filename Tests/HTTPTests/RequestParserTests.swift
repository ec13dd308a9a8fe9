import Testing

@testable import HTTP

/// The outcome of a parse as text, so that outcomes can be compared.
private func outcome(_ pieces: [ArraySlice<UInt8>], limits: HTTPLimits = HTTPLimits()) -> String {
    var parser = RequestParser(limits: limits)
    var input = InputBuffer()
    var result = ""
    do throws(HTTPError) {
        for piece in pieces {
            input.bytes.append(contentsOf: piece)
            while let head = try parser.next(&input) {
                let fields = head.fields.pairs.map { "\($0.name)=\($0.value)" }.joined(separator: "|")
                result +=
                    "\(head.method) \(head.target) 1.\(head.minorVersion) \(head.segments) [\(fields)] "
                    + "\(head.framing) \(head.keepsAlive) \(head.expectsContinue)\n"
            }
        }
        return result + "needs more after \(input.count)"
    } catch {
        return result + "\(error.status.code) \(error.slug)"
    }
}

private func outcome(_ text: String) -> String { outcome([Array(text.utf8)[...]]) }

private let host = "Host: a\r\n"

struct RequestParserTests {
    static let samples = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nPOST /v1/a%20b/c?x=1&y=%C3%A9 HTTP/1.1\r\nhost:  a:80 \r\nContent-Length: 0\r\nX:\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
        "PUT http://h/p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nExpect: 100-continue\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive , Close\r\n\r\nGARBAGE\r\n",
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /\(String(repeating: "a", count: 300)) HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nA: \(String(repeating: "a", count: 500))\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ]

    @Test("Every cut of the bytes into two or three pieces gives the same outcome", arguments: samples)
    func everySplit(_ text: String) {
        var limits = HTTPLimits()
        limits.targetBytes = 256
        limits.headBytes = 400
        let bytes = Array(text.utf8)
        let whole = outcome([bytes[...]], limits: limits)
        #expect(whole == outcome(bytes.indices.map { bytes[$0...$0] }, limits: limits))
        for first in bytes.indices {
            #expect(whole == outcome([bytes[..<first], bytes[first...]], limits: limits))
            for second in stride(from: first, to: bytes.count, by: 13) {
                #expect(
                    whole == outcome([bytes[..<first], bytes[first..<second], bytes[second...]], limits: limits))
            }
        }
    }

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

    @Test(
        "What is not HTTP/1.1 is rejected with the status that says why",
        arguments: [
            ("GET / HTTP/1.1\r\n\r\n", "400 no-host"),
            ("GET / HTTP/1.1\r\n\(host)\(host)\r\n", "400 bad-host"),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 bad-host"),
            ("GET / HTTP/1.1\r\n\(host) folded: 1\r\n\r\n", "400 folded-field"),
            ("GET / HTTP/1.1\r\n\(host)A : 1\r\n\r\n", "400 bad-field-name"),
            ("GET / HTTP/1.1\r\n\(host)A\r\n\r\n", "400 bad-field-name"),
            ("GET / HTTP/1.1\r\n\(host): 1\r\n\r\n", "400 bad-field-name"),
            ("GET / HTTP/1.1\r\n\(host)A(b: 1\r\n\r\n", "400 bad-field-name"),
            ("GET / HTTP/1.1\r\n\(host)A: 1\rB: 2\r\n\r\n", "400 bad-field-value"),
            ("GET / HTTP/1.1\r\n\(host)A: \u{0}\r\n\r\n", "400 bad-field-value"),
            ("GET / HTTP/1.1\r\n\(host)A: \u{7f}\r\n\r\n", "400 bad-field-value"),
            ("GET / HTTP/1.1\r\n\(host)A: 1\n\r\n", "400 bad-line-end"),
            ("POST / HTTP/1.1\r\n\(host)Content-Length: +1\r\n\r\n", "400 bad-length"),
            ("POST / HTTP/1.1\r\n\(host)Content-Length: -1\r\n\r\n", "400 bad-length"),
            ("POST / HTTP/1.1\r\n\(host)Content-Length: 1,1\r\n\r\n", "400 bad-length"),
            ("POST / HTTP/1.1\r\n\(host)Content-Length: 0x1\r\n\r\n", "400 bad-length"),
            ("POST / HTTP/1.1\r\n\(host)Content-Length:\r\n\r\n", "400 bad-length"),
            ("POST / HTTP/1.1\r\n\(host)Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "400 bad-length"),
            ("POST / HTTP/1.1\r\n\(host)Content-Length: 99999999999999999999\r\n\r\n", "413 body-too-large"),
            (
                "POST / HTTP/1.1\r\n\(host)Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "400 length-and-encoding"
            ),
            (
                "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: gzip, chunked\r\n\r\n",
                "501 encoding-not-implemented"
            ),
            (
                "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                "501 encoding-not-implemented"
            ),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 encoding-in-1.0"),
            ("GET / HTTP/2.0\r\n\(host)\r\n", "505 version-not-supported"),
            ("PRI * HTTP/2.0\r\n\r\n", "505 version-not-supported"),
            ("GET / HTTP/1\r\n\(host)\r\n", "400 bad-request-line"),
            ("GET / http/1.1\r\n\(host)\r\n", "400 bad-request-line"),
            ("GET / HTTP/1.1 \r\n\(host)\r\n", "400 bad-request-line"),
            ("GET /\r\n\(host)\r\n", "400 bad-request-line"),
            ("GET  / HTTP/1.1\r\n\(host)\r\n", "400 bad-request-line"),
            (" GET / HTTP/1.1\r\n\(host)\r\n", "400 bad-request-line"),
            ("G(T / HTTP/1.1\r\n\(host)\r\n", "400 bad-request-line"),
            ("BREW / HTTP/1.1\r\n\(host)\r\n", "501 method-not-implemented"),
            ("get / HTTP/1.1\r\n\(host)\r\n", "501 method-not-implemented"),
            ("GET a HTTP/1.1\r\n\(host)\r\n", "400 bad-target"),
            ("GET * HTTP/1.1\r\n\(host)\r\n", "400 bad-target"),
            ("GET http:///x HTTP/1.1\r\n\(host)\r\n", "400 bad-target"),
            ("GET /#a HTTP/1.1\r\n\(host)\r\n", "400 bad-target"),
            ("GET /%4 HTTP/1.1\r\n\(host)\r\n", "400 bad-target"),
            ("GET /%zz HTTP/1.1\r\n\(host)\r\n", "400 bad-target"),
            ("GET /%00 HTTP/1.1\r\n\(host)\r\n", "400 bad-target"),
            ("GET /%ff HTTP/1.1\r\n\(host)\r\n", "400 bad-target"),
            ("GET /?a=%g1 HTTP/1.1\r\n\(host)\r\n", "400 bad-target"),
            ("GET /\u{e9} HTTP/1.1\r\n\(host)\r\n", "400 bad-target"),
            ("POST / HTTP/1.1\r\n\(host)Expect: tea\r\n\r\n", "417 expectation-failed"),
            ("GET /\(String(repeating: "a", count: 8192)) HTTP/1.1\r\n\(host)\r\n", "414 target-too-long"),
            ("GET / HTTP/1.1\r\nA: \(String(repeating: "a", count: 16384))", "431 head-too-large"),
            (
                "GET / HTTP/1.1\r\n\(String(repeating: "A: b\r\n", count: 101))\r\n",
                "431 too-many-fields"
            ),
        ] as [(String, String)])
    func rejections(_ text: String, _ expected: String) {
        #expect(outcome(text) == expected)
    }

    @Test("The limits are inclusive")
    func limits() {
        #expect(
            outcome("GET /\(String(repeating: "a", count: 8191)) HTTP/1.1\r\n\(host)\r\n").contains(
                "needs more after 0"))
        let fields = String(repeating: "A: b\r\n", count: 99)
        #expect(outcome("GET / HTTP/1.1\r\n\(host)\(fields)\r\n").contains("needs more after 0"))
    }

    @Test("The absolute form and the asterisk are understood")
    func targetForms() throws {
        func segments(_ line: String) throws -> [String]? {
            try RequestParser.parse(Array("\(line) HTTP/1.1\r\n\(host)\r\n".utf8))?.head.segments
        }
        #expect(try segments("GET http://h:1/a/b?c") == ["a", "b"])
        #expect(try segments("GET HTTPS://h") == [""])
        #expect(try segments("OPTIONS *") == [""])
    }

    @Test("Keep-alive follows the version and the Connection field")
    func keepAlive() throws {
        func keeps(_ text: String) throws -> Bool? {
            try RequestParser.parse(Array("GET / HTTP/\(text)\r\n\(host)\r\n".utf8))?.head.keepsAlive
        }
        #expect(try keeps("1.1") == true)
        #expect(try keeps("1.1\r\nConnection: close") == false)
        #expect(try keeps("1.1\r\nConnection: upgrade\r\nConnection: CLOSE") == false)
        #expect(try keeps("1.0") == false)
        #expect(try keeps("1.0\r\nConnection: keep-alive") == true)
        #expect(try keeps("1.7") == true)
    }

    @Test("Token characters are those of RFC 9110")
    func tokens() {
        let tokens = Set("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        for byte in UInt8.min ... .max { #expect(byte.isToken == tokens.contains(byte)) }
    }
}
