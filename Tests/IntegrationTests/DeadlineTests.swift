import JSON
import TestSupport
import Testing

@Suite("Requests that are not worth waiting for any more", .server(LiveModels.both))
struct DeadlineTests {
    private func session(_ client: HTTPClient) throws -> String {
        try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
    }

    private func post(
        _ path: String, _ body: String, within milliseconds: String, _ client: HTTPClient
    ) throws -> HTTPReply {
        try client.perform(
            HTTPRequest("POST", path, json: body, headers: [("X-Request-Timeout-Ms", milliseconds)]))
    }

    /// Begins a generation that nobody reads, and so keeps its session for as long as the socket is open.
    private func hold(_ id: String) throws -> RawSocket {
        let body = #"{"text":"abc","max_tokens":100000,"seed":1,"stream":true}"#
        let socket = try LiveServer.socket()
        try socket.send(
            "POST /v1/sessions/\(id)/generate HTTP/1.1\r\nHost: localhost\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        #expect(try socket.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
        return socket
    }

    @Test("what waits behind another operation of its session is answered 504 in time") func waiting() throws {
        let client = try LiveServer.client()
        let id = try session(client)
        let socket = try hold(id)
        let path = "/v1/sessions/\(id)/"
        try post(path + "step", #"{"token":1}"#, within: "20", client).expectProblem(504, "deadline-passed")
        try post(path + "prefill", #"{"text":"abc"}"#, within: "1", client).expectProblem(504, "deadline-passed")
        for stream in ["true", "false"] {
            try post(path + "generate", "{\"max_tokens\":3,\"stream\":\(stream)}", within: "10", client)
                .expectProblem(504, "deadline-passed")
        }
        try post("/v1/step", "{\"steps\":[{\"session\":\"\(id)\",\"token\":1}]}", within: "5", client)
            .expectProblem(504, "deadline-passed")
        let prefill = "{\"model\":\"letters\",\"sequences\":[{\"text\":\"abc\",\"session\":\"\(id)\"}]}"
        try post("/v1/prefill", prefill, within: "5", client).expectProblem(504, "deadline-passed")
        socket.close()
        #expect(try post(path + "step", #"{"token":1}"#, within: "60000", client).status == 200)
    }

    @Test("one that is late does not keep the others from their results") func mixed() throws {
        let client = try LiveServer.client()
        let id = try session(client)
        let socket = try hold(id)
        let body = "{\"model\":\"letters\",\"sequences\":[{\"text\":\"abc\"},{\"text\":\"abc\",\"session\":\"\(id)\"}]}"
        let reply = try post("/v1/prefill", body, within: "200", client)
        #expect(reply.status == 200)
        let results = RawJSON.elements(try reply.raw("results"))
        #expect(RawJSON.member("step", of: results[0]) == "3")
        let error = try #require(RawJSON.member("error", of: results[1]))
        #expect(RawJSON.member("status", of: error) == "504")
        socket.close()
    }

    @Test("a long input or generation that is late leaves its session where it was") func onTheWay() throws {
        let client = try LiveServer.client()
        let id = try session(client)
        let tokens = [String](repeating: "1", count: 200_000).joined(separator: ",")
        let path = "/v1/sessions/\(id)/"
        try post(path + "prefill", "{\"tokens\":[\(tokens)]}", within: "1", client)
            .expectProblem(504, "deadline-passed")
        try post(path + "generate", #"{"text":"abc","max_tokens":100000}"#, within: "10", client)
            .expectProblem(504, "deadline-passed")
        try post("/v1/sessions", "{\"model\":\"letters\",\"id\":\"late\",\"tokens\":[\(tokens)]}", within: "1", client)
            .expectProblem(504, "deadline-passed")
        try client.get("/v1/sessions/late").expectProblem(404, "session-not-found")
        #expect(try client.step(of: id) == 0)
    }

    @Test("a stream that is late ends with that, and its session stands at the last step it told") func stream() throws
    {
        let client = try LiveServer.client()
        let id = try session(client)
        let body = #"{"text":"abc","max_tokens":100000,"seed":1,"stream":true}"#
        let reply = try post("/v1/sessions/\(id)/generate", body, within: "100", client)
        #expect(reply.status == 200)
        let lines = reply.text.split(separator: "\n").map(String.init)
        let error = try #require(RawJSON.member("error", of: lines.last!))
        #expect(RawJSON.member("type", of: error) == "\"urn:scanstep:deadline-passed\"")
        #expect(RawJSON.member("step", of: lines[lines.count - 2]) == "\(try client.step(of: id))")
    }

    @Test(
        "a time that makes no sense is refused, and nothing moves",
        arguments: ["0", "-1", "+5", "1.5", "soon", "1 0", "86400001", "99999999999999999999"])
    func bad(value: String) throws {
        let client = try LiveServer.client()
        let id = try session(client)
        for (path, body) in [
            ("/v1/sessions/\(id)/step", #"{"token":1}"#), ("/v1/sessions/\(id)/prefill", #"{"tokens":[1]}"#),
            ("/v1/sessions/\(id)/generate", #"{"tokens":[1],"max_tokens":1}"#),
            ("/v1/step", "{\"steps\":[{\"session\":\"\(id)\",\"token\":1}]}"),
            ("/v1/prefill", "{\"model\":\"letters\",\"sequences\":[{\"tokens\":[1],\"session\":\"\(id)\"}]}"),
            ("/v1/sessions", #"{"model":"letters"}"#),
        ] {
            try post(path, body, within: value, client)
                .expectProblem(422, "invalid-input", mentioning: "X-Request-Timeout-Ms")
        }
        #expect(try client.step(of: id) == 0)
    }

    @Test("a client that closes its connection is not worked for any longer", arguments: ["prefill", "generate"])
    func closed(operation: String) throws {
        let client = try LiveServer.client()
        let id = try session(client)
        let tokens = [String](repeating: "1", count: 1_000_000).joined(separator: ",")
        let body =
            operation == "prefill" ? "{\"tokens\":[\(tokens)]}" : #"{"tokens":[1],"max_tokens":100000,"seed":1}"#
        let socket = try LiveServer.socket()
        try socket.send(
            "POST /v1/sessions/\(id)/\(operation) HTTP/1.1\r\nHost: localhost\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        socket.close()
        // Behind the other if that was there in time, before it if not; in no case is it done.
        #expect(try client.act("step", on: id, #""token":1"#).int("step") == 1)
        #expect(try client.step(of: id) == 1)
    }
}
