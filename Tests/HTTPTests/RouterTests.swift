import Testing

@testable import HTTP

struct RouterTests {
    private static let router = {
        var router = Router()
        for (method, pattern) in [
            (Method.get, "/"), (.get, "/v1/models"), (.get, "/v1/models/{model}"), (.post, "/v1/sessions/{id}/step"),
            (.get, "/v1/sessions/{id}"), (.delete, "/v1/sessions/{session}"), (.get, "/v1/sessions/new"),
            (.get, "/{a}/{b}/end"),
        ] {
            router.on(method, pattern) { _ in Response(text: pattern) }
        }
        return router
    }()

    /// What the router finds, as the status, or the reply's text with the parameters.
    private func find(_ line: String) throws -> String {
        let (head, _) = try #require(try RequestParser.parse(Array("\(line) HTTP/1.1\r\nHost: a\r\n\r\n".utf8)))
        do throws(HTTPError) {
            let parameters = try Self.router.find(head).parameters
            return zip(parameters.names, parameters.values).map { "\($0)=\($1)" }.joined(separator: " ")
        } catch {
            return "\(error.status.code) \(error.fields["Allow"] ?? "")"
        }
    }

    @Test(
        "Paths find their handlers and parameters",
        arguments: [
            ("GET /", ""), ("GET /?x", ""), ("GET http://h", ""), ("GET /v1/models", ""),
            ("GET /v1/models/a", "model=a"), ("HEAD /v1/models/a", "model=a"),
            ("GET /v1/models/a%2Fb%20c", "model=a/b c"),
            ("GET /v1/%6dodels", ""), ("POST /v1/sessions/7/step", "id=7"), ("DELETE /v1/sessions/7", "session=7"),
            ("GET /v1/sessions/new", ""), ("POST /v1/sessions/new/step", "id=new"), ("GET /v1/models/end", "model=end"),
            ("GET /v1/x/end", "a=v1 b=x"), ("GET /none", "404 "), ("GET /v1/models/", "404 "), ("GET /v1", "404 "),
            ("POST /v1/sessions//step", "404 "), ("GET /v1/sessions/7/step/", "404 "),
            ("OPTIONS *", ""), ("OPTIONS /v1", "404 "), ("OPTIONS /v1/sessions/7/step", ""),
            ("GET /v1/x/../models/./b", "model=b"),
            ("GET /v1/%2e%2E/v1/models/a", "model=a"),
            ("PUT /v1/sessions/7", "405 DELETE, GET, HEAD, OPTIONS"),
            ("GET /v1/sessions/7/step", "405 OPTIONS, POST"),
        ])
    func paths(_ line: String, _ expected: String) throws {
        #expect(try find(line) == expected)
    }
}

struct HeaderFieldsTests {
    @Test("Fields keep their order and are found whatever their case")
    func order() {
        var fields: HeaderFields = ["B": "1", "a": "2", "b": "3"]
        #expect(fields["b"] == "1")
        #expect(fields.values(of: "B") == ["1", "3"])
        fields["B"] = "4"
        #expect(fields.pairs.map(\.name) == ["a", "B"])
        fields["A"] = nil
        #expect(fields.count == 1)
        #expect(!fields.contains("a"))
    }

    @Test("A value cannot split the message")
    func splitting() {
        let fields: HeaderFields = ["a": "x\r\nSet: y\u{0}"]
        #expect(fields["a"] == "x  Set: y ")
    }
}

struct HTTPDateTests {
    @Test(
        "Dates are those of the calendar",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ])
    func dates(_ seconds: Int, _ text: String) {
        #expect(HTTPDate.format(seconds) == text)
    }
}
