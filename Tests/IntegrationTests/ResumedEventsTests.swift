import Foundation
import JSON
import TestSupport
import Testing

@Suite("Server-sent events that go on at Last-Event-ID", .server(LiveModels.letters))
struct ResumedEventsTests {
    /// Longer than what waits on the way to a client.
    private static let long = #"{"text":"abc","max_tokens":5000,"stream":true}"#
    private static let body = #"{"text":"abc","max_tokens":400,"stream":true,"stop":["zzzz"]}"#

    private func request(_ id: String, _ body: String = body, after last: Int? = nil) -> HTTPRequest {
        HTTPRequest(
            "POST", "/v1/sessions/\(id)/generate", json: body,
            headers: [("Accept", "text/event-stream")] + (last.map { [("Last-Event-ID", "\($0)")] } ?? []))
    }

    /// Events as they came, without the one that names the end.
    private func events(_ text: String) -> [String] {
        text.components(separatedBy: "\n\n").filter { $0.hasPrefix("id: ") }
    }

    private func session() throws -> String {
        try LiveServer.client().post("/v1/sessions", #"{"model":"letters"}"#).string("id")
    }

    @Test("a cut stream goes on where the client has seen it to, and the whole is what it would have been")
    func goesOn() throws {
        for seen in [1, 5, 60] {
            let client = try LiveServer.client()
            let id = try session()
            var received: [UInt8] = []
            let cut = try LiveServer.client().stream(request(id)) { piece in
                received += piece
                return events(String(decoding: received, as: UTF8.self)).count <= seen
            }
            #expect(cut.isAborted)
            let first = events(String(decoding: received, as: UTF8.self)).prefix(seen)
            let last = 3 + seen
            #expect(first.last?.hasPrefix("id: \(last)\n") == true)
            let rest = try client.perform(request(id, after: last)).text
            let all = first + events(rest)
            #expect(all.enumerated().allSatisfy { $1.hasPrefix("id: \($0 + 4)\ndata: ") }, "\(all)")
            #expect(all.count == 400)
            #expect(try client.step(of: id) == 403)
            let end = try #require(rest.components(separatedBy: "\n\n").first { $0.hasPrefix("event: done\n") })
            #expect(end.contains(#""output_steps":400"#))

            // The same from the beginning, by the seed that the end tells.
            let data = try #require(end.components(separatedBy: "data: ").last)
            let seed = try #require(RawJSON.member("seed", of: data))
            let twin = try session()
            let body = Self.body.dropLast() + ",\"seed\":\(seed)}"
            #expect(events(try client.perform(request(twin, String(body))).text) == Array(all))
        }
    }

    @Test("what has ended is told again, and nothing moves") func again() throws {
        let client = try LiveServer.client()
        let id = try session()
        let whole = try client.perform(request(id)).text
        let again = try client.perform(request(id, after: 300)).text
        #expect(whole.hasSuffix(again) && events(again).count == 103)
        #expect(try client.perform(request(id, after: 403)).text.hasPrefix("event: done\n"))
        #expect(try client.step(of: id) == 403)
    }

    @Test("what is not kept, or is another's, is refused and nothing moves") func refusals() throws {
        let client = try LiveServer.client()
        let id = try session()
        try client.perform(request(id, after: 4)).expectProblem(409, "stream-not-kept")
        _ = try client.perform(request(id))
        for last in [2, 404, -1] { try client.perform(request(id, after: last)).expectProblem(409, "stream-not-kept") }
        let other = #"{"max_tokens":1,"stream":true}"#
        try client.perform(request(id, other, after: 5)).expectProblem(409, "stream-not-kept")
        #expect(try client.step(of: id) == 403)
    }

    @Test("a session's name may be given again: the streams of the one before are not those of the new one")
    func sameName() throws {
        let client = try LiveServer.client()
        let id = try session()
        let whole = try client.perform(request(id)).text
        #expect(events(whole).count == 400)
        #expect(try client.request("DELETE", "/v1/sessions/\(id)").status == 204)
        _ = try client.post("/v1/sessions", #"{"model":"letters","id":"\#(id)"}"#)
        try client.perform(request(id, after: 300)).expectProblem(409, "stream-not-kept")
        #expect(try client.step(of: id) == 0)
    }

    @Test("a session that has moved on since does not go on from there") func moved() throws {
        let client = try LiveServer.client()
        let id = try session()
        _ = try LiveServer.client().stream(request(id, Self.long)) { _ in false }
        _ = try client.act("step", on: id, #""token":1"#)
        try client.perform(request(id, Self.long, after: 4)).expectProblem(412, "step-mismatch")
    }

    @Test("nor does one that has come to the same step by another way, by rewinding or by a state from elsewhere")
    func sameStep() throws {
        let client = try LiveServer.client()
        for way in ["rewind", "state"] {
            let id = try session()
            _ = try client.act("prefill", on: id, #""text":"abc""#)
            #expect(try client.post("/v1/sessions/\(id)/checkpoints", #"{"name":"begin"}"#).status == 201)
            _ = try LiveServer.client().stream(request(id, Self.long)) { _ in false }
            // In its turn behind the generation.
            #expect(try client.get("/v1/sessions/\(id)/state").status == 200)
            let last = try client.step(of: id)
            if way == "rewind" {
                #expect(try client.act("rewind", on: id, #""checkpoint":"begin""#).int("step") == 3)
                let others = [Int](repeating: 5, count: last - 3)
                #expect(try client.act("prefill", on: id, "\"tokens\":\(others)").int("step") == last)
            } else {
                let other = try session()
                let tokens = [Int](repeating: 5, count: last)
                _ = try client.act("prefill", on: other, "\"tokens\":\(tokens)")
                let state = try client.get("/v1/sessions/\(other)/state").body
                #expect(try client.request("PUT", "/v1/sessions/\(id)/state", body: state).status == 200)
            }
            try client.perform(request(id, Self.long, after: 7)).expectProblem(412, "state-changed")
            #expect(try client.step(of: id) == last)
        }
    }

    @Test("a checkpoint of the session, a fork of it and a look at it are no hindrance") func lookedAt() throws {
        let client = try LiveServer.client()
        let id = try session()
        _ = try LiveServer.client().stream(request(id, Self.long)) { _ in false }
        #expect(try client.post("/v1/sessions/\(id)/checkpoints", "{}").status == 201)
        #expect(try client.post("/v1/sessions/\(id)/fork", "{}").status == 201)
        #expect(try client.get("/v1/sessions/\(id)/state").status == 200)
        #expect(try events(client.perform(request(id, Self.long, after: 4)).text).count == 4999)
    }

    @Test(
        "nor are those, a deleted checkpoint and a fork under a key, where there is a folder for sessions",
        arguments: ["none", "async", "sync"])
    func lookedAtOnDisk(durability: String) throws {
        let (models, states) = (TemporaryFolder(), TemporaryFolder())
        LiveModels.letters(models)
        let server = try ServerProcess(serving: models, ["--state-dir", states.path])
        let client = server.client()
        func keyed(_ path: String, _ body: String = "{}", key: String) throws -> Int {
            try client.post(path, body, headers: [("Idempotency-Key", key)]).status
        }
        for (index, kind) in ["checkpoint", "keyed checkpoint", "deleted", "fork"].enumerated() {
            let id = "s\(index)"
            try client.create(id, of: "letters", #","durability":"\#(durability)""#)
            _ = try server.client().stream(request(id, Self.long)) { _ in false }
            // In its turn behind the generation.
            #expect(try client.get("/v1/sessions/\(id)/state").status == 200)
            let (last, place) = (try client.step(of: id), "/v1/sessions/\(id)")
            switch kind {
            case "checkpoint": #expect(try client.post(place + "/checkpoints", "{}").status == 201)
            case "keyed checkpoint": #expect(try keyed(place + "/checkpoints", key: "a") == 201)
            case "deleted":
                #expect(try client.post(place + "/checkpoints", #"{"name":"c"}"#).status == 201)
                #expect(try client.request("DELETE", place + "/checkpoints/c").status == 204)
            default: #expect(try keyed(place + "/fork", key: "b") == 201)
            }
            #expect(try client.step(of: id) == last)
            let rest = try client.perform(request(id, Self.long, after: 4))
            #expect(rest.status == 200 && events(rest.text).count == 4999, "\(kind): \(rest.text.prefix(300))")
        }
        #expect(server.terminate() == 0)
    }

    @Test("a request that is refused leaves the stream that is kept") func refusedBetween() throws {
        let client = try LiveServer.client()
        let id = try session()
        let body = #"{"text":"abc","max_tokens":5000,"stream":true,"expected_step":0}"#
        _ = try LiveServer.client().stream(request(id, body)) { _ in false }
        #expect(try client.get("/v1/sessions/\(id)/state").status == 200)
        try client.perform(request(id, body)).expectProblem(412, "step-mismatch")
        #expect(try events(client.perform(request(id, body, after: 4)).text).count == 4999)
    }

    @Test("of many that go on with one stream at once the last one does, and each of the others is told so")
    func atOnce() throws {
        let client = try LiveServer.client()
        let id = try session()
        _ = try LiveServer.client().stream(request(id, Self.long)) { _ in false }
        let replies = try client.performAtOnce([HTTPRequest](repeating: request(id, Self.long, after: 4), count: 8))
        var whole = 0
        for reply in replies {
            #expect(reply.status == 200 || reply.status == 409, "\(reply.text.suffix(300))")
            #expect(!reply.text.contains("client-gone"), "\(reply.text.suffix(300))")
            if reply.text.contains("event: done") {
                whole += 1
                #expect(events(reply.text).count == 4999)
            } else {
                #expect(reply.text.contains("urn:scanstep:stream-taken-over"), "\(reply.text.suffix(300))")
            }
        }
        #expect(whole >= 1)
        #expect(try client.step(of: id) == 5003)
    }

    @Test("a step that the stream has no event of does not end it") func wrongStep() throws {
        let client = try LiveServer.client()
        let id = try session()
        var received: [UInt8] = []
        var isAsked = false
        _ = try LiveServer.client().stream(request(id, Self.long)) { piece in
            received += piece
            if !isAsked {
                isAsked = true
                for last in [2, 99_999, -1] {
                    let reply = try? client.perform(request(id, Self.long, after: last))
                    #expect(reply?.status == 409 && reply?.text.contains("stream-not-kept") == true)
                }
            }
            return true
        }
        #expect(isAsked && String(decoding: received, as: UTF8.self).contains("event: done"))
    }

    @Test("the same request by another path is another request") func otherTarget() throws {
        let client = try LiveServer.client()
        let id = try session()
        _ = try client.perform(request(id))
        var other = request(id, after: 300)
        other.path += "?again"
        try client.perform(other).expectProblem(409, "stream-not-kept")
    }
}
