import JSON
import TestSupport
import Testing

@Suite("Streams and their readers", .server(LiveModels.both))
struct StreamTests {
    private static let endless = #"{"text":"abc","max_tokens":100000,"seed":1,"stream":true}"#

    @Test("events come while the generation still runs") func incremental() throws {
        let client = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
        var pieces = 0
        let request = HTTPRequest(
            "POST", "/v1/sessions/\(id)/generate",
            json: #"{"text":"abc","max_tokens":5000,"seed":1,"stream":true}"#)
        var received: [UInt8] = []
        var reply = try client.stream(request) { piece in
            pieces += 1
            received += piece
            return true
        }
        #expect(pieces > 1)
        reply.body = received
        #expect(try Generation(streamed: reply).tokens.count == 5000)
    }

    @Test("a client that leaves a stream ends it: its session stands at or after the last step told and goes on")
    func abandoned() throws {
        let client = try LiveServer.client()
        for _ in 0..<5 {
            let id = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
            var received: [UInt8] = []
            let request = HTTPRequest("POST", "/v1/sessions/\(id)/generate", json: Self.endless)
            let reply = try LiveServer.client().stream(request) { piece in
                received += piece
                return received.split(separator: UInt8(ascii: "\n")).count < 20
            }
            #expect(reply.isAborted)
            let line = try #require(received.split(separator: UInt8(ascii: "\n")).dropLast().last)
            let told = try #require(try JSONDocument(parsing: Array(line)).root["step"]?.int)

            // Waits its turn behind the generation, which must therefore end.
            let next = try client.act("step", on: id, #""token":1,"logits":true"#).int("step")
            #expect(next > told)
            #expect(next < 100_000)
            #expect(try client.step(of: id) == next)
            #expect(try client.get("/livez").status == 200)
        }
    }

    @Test("an abandoned generation left the state of exactly its step") func abandonedState() throws {
        let client = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
        let request = HTTPRequest("POST", "/v1/sessions/\(id)/generate", json: Self.endless)
        _ = try LiveServer.client().stream(request) { _ in false }
        let after = try client.act("step", on: id, #""token":1,"logits":true"#)
        let count = try after.int("step") - 1 - 3

        let twin = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
        if count > 0 { _ = try client.act("generate", on: twin, "\"text\":\"abc\",\"seed\":1,\"max_tokens\":\(count)") }
        if count == 0 { _ = try client.act("prefill", on: twin, #""text":"abc""#) }
        let other = try client.act("step", on: twin, #""token":1,"logits":true"#)
        #expect(try other.int("step") == after.int("step"))
        #expect(try other.raw("output") == after.raw("output"))
    }

    @Test("a client that reads nothing of its stream holds up nobody else") func slowReader() throws {
        let client = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
        let slow = try LiveServer.socket()
        try slow.send(
            "POST /v1/sessions/\(id)/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(Self.endless.utf8.count)\r\n\r\n\(Self.endless)")
        #expect(try slow.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))

        let other = try client.post("/v1/sessions", #"{"model":"letters","text":"abc"}"#).string("id")
        let requests = (0..<16).map { _ in
            HTTPRequest(
                "POST", "/v1/prefill",
                json: #"{"model":"letters","sequences":[{"text":"abcabcabc"},{"text":"def"}]}"#)
        }
        #expect(try client.performAtOnce(requests).allSatisfy { $0.status == 200 })
        let streamed = try client.act("generate", on: other, #""max_tokens":500,"seed":1,"stream":true"#)
        #expect(try Generation(streamed: streamed).tokens.count == 500)
        slow.close()
        #expect(try client.act("step", on: id, #""token":1"#).int("step") > 3)
    }

    @Test("operations on a session that is generating wait for their turn") func order() throws {
        let client = try LiveServer.client()
        let port = try #require(LiveServer.shared).port
        let id = try client.post("/v1/sessions", #"{"model":"letters","text":"abc"}"#).string("id")
        var following: HTTPReply?
        let request = HTTPRequest(
            "POST", "/v1/sessions/\(id)/generate", json: #"{"max_tokens":300,"seed":1,"stream":true}"#)
        var received: [UInt8] = []
        var reply = try client.stream(request) { piece in
            received += piece
            // The stream is small enough for the sockets' buffers, so that nobody needs to read it meanwhile.
            if following == nil { following = try? HTTPClient(port: port).act("step", on: id, #""token":2"#) }
            return true
        }
        reply.body = received
        #expect(try Generation(streamed: reply).step == 303)
        #expect(try following?.int("step") == 304)
    }

    @Test("a session that is deleted under its stream ends the stream with the reason", arguments: ["lines", "events"])
    func deleted(format: String) throws {
        let client = try LiveServer.client()
        let other = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
        let accept = format == "events" ? "text/event-stream" : "*/*"
        let request = HTTPRequest(
            "POST", "/v1/sessions/\(id)/generate", json: Self.endless, headers: [("Accept", accept)])
        var status = 0
        var received: [UInt8] = []
        let reply = try client.stream(request) { piece in
            if status == 0 { status = (try? other.request("DELETE", "/v1/sessions/" + id).status) ?? -1 }
            received += piece
            return true
        }
        #expect(status == 204)
        #expect(!reply.isAborted)
        let text = String(decoding: received, as: UTF8.self)
        let last = try #require(text.split(separator: format == "events" ? "\n\n" : "\n").last)
        let error = try #require(RawJSON.member("error", of: String(last)))
        #expect(last.hasPrefix(format == "events" ? "event: error\ndata: " : "{\"error\":"))
        #expect(RawJSON.member("status", of: error) == "410")
        #expect(RawJSON.member("reason", of: error) == "\"deleted\"")
        let gone = try client.get("/v1/sessions/" + id)
        try gone.expectProblem(410, "session-gone")
        #expect(RawJSON.member("last_step", of: error) == (try gone.raw("last_step")))
    }

    @Test("a refusal before the first token has a status of its own, with stream or without")
    func refusals() throws {
        let client = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"letters","text":"abc"}"#).string("id")
        for stream in ["true", "false"] {
            let path = "/v1/sessions/\(id)/generate"
            try client.post(path, "{\"expected_step\":9,\"stream\":\(stream)}").expectProblem(412, "step-mismatch")
            try client.post(path, "{\"text\":\"Z\",\"stream\":\(stream)}").expectProblem(422, "invalid-input")
        }
        #expect(try client.step(of: id) == 3)
    }
}
