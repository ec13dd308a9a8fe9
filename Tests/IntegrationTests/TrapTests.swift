import Foundation
import JSON
import TestSupport
import Testing

/// What other servers of sequence state did wrong, each a test by its name.
@Suite("Traps that others fell into")
struct TrapTests {
    private func server(_ arguments: String...) throws -> (ServerProcess, TemporaryFolder) {
        let folder = TemporaryFolder()
        LiveModels.both(folder)
        return (try ServerProcess(serving: folder, arguments), folder)
    }

    /// A server that keeps sessions on disk and has memory for so many of the model `letters`.
    private func crowded(memoryFor count: Int, of all: Int) throws -> (ServerProcess, TemporaryFolder) {
        let (probe, _) = try server()
        let state = try probe.client().create("probe", of: "letters").int("state_bytes")
        let memory = all * 256 + count * state + (count * state + all * 256) / 7
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let arguments = ["--state-dir", folder.path + "/.state", "--session-memory", "\(memory)B"]
        return (try ServerProcess(serving: folder, arguments), folder)
    }

    @Test("1: an idle limit does not throw away work that is queued") func idleLimit() throws {
        let (server, _) = try server("--max-queue-time", "10m")
        let client = server.client()
        let body = "{\"tokens\":\([Int](repeating: 1, count: 200_000)),\"return\":\"none\"}"
        let prefill = HTTPRequest("POST", "/v1/sessions/short/prefill", json: body)
        try client.create("short", of: "letters", #","idle_seconds":1"#)
        let replies = try client.performAtOnce([HTTPRequest](repeating: prefill, count: 8))
        #expect(replies.map(\.status) == [Int](repeating: 200, count: 8))
    }

    @Test("2: more sessions at work than memory has room for do not block each other") func pinned() throws {
        let (server, folder) = try crowded(memoryFor: 4, of: 40)
        defer { withExtendedLifetime(folder) {} }
        let client = server.client()
        for index in 0..<40 { try client.create("s\(index)", of: "letters", #","durability":"none""#) }
        for round in 1...5 {
            let replies = try client.performAtOnce(
                (0..<40).map { HTTPRequest("POST", "/v1/sessions/s\($0)/step", json: #"{"token":1}"#) })
            for reply in replies { #expect(try reply.int("step") == round, "\(reply.text)") }
        }
        #expect(server.terminate() == 0)
    }

    @Test("3: a state that was restored is the one that is used") func restored() throws {
        let (server, _) = try server()
        let client = server.client()
        try client.create("first", of: "letters", #","tokens":[1,2,3]"#)
        try client.create("second", of: "letters", #","tokens":[4,5,6,7]"#)
        let file = try client.get("/v1/sessions/first/state").body
        let type = [("Content-Type", "application/octet-stream")]
        let put = try client.request("PUT", "/v1/sessions/second/state", body: file, headers: type)
        #expect(try put.status == 200 && put.int("step") == 3)
        let outputs = try ["first", "second"].map {
            try client.act("step", on: $0, #""token":8,"logits":true"#).raw("output")
        }
        #expect(outputs[0] == outputs[1])
    }

    @Test("4: an unknown or evicted session never starts from zero") func unknown() throws {
        let (server, _) = try server("--session-memory", "20KiB")
        let client = server.client()
        for body in [#"{"token":1}"#, #"{"token":1,"expected_step":0}"#] {
            try client.post("/v1/sessions/nobody/step", body).expectProblem(404, "session-not-found")
        }
        for index in 0..<100 { try client.create("s\(index)", of: "letters", #","tokens":[1]"#) }
        let reply = try client.post("/v1/sessions/s0/step", #"{"token":1}"#)
        try reply.expectProblem(410, "session-gone")
        #expect(try reply.string("reason") == "evicted" && reply.int("last_step") == 1)
    }

    @Test("5: deleting an unknown session says so") func deleting() throws {
        let (server, _) = try server()
        try server.client().request("DELETE", "/v1/sessions/nobody").expectProblem(404, "session-not-found")
    }

    @Test("6: a request that comes out of order starts nothing anew") func order() throws {
        let (server, _) = try server()
        let client = server.client()
        try client.create("ordered", of: "letters")
        let second = try client.post("/v1/sessions/ordered/step", #"{"token":2,"expected_step":1}"#)
        try second.expectProblem(412, "step-mismatch")
        #expect(try client.act("step", on: "ordered", #""token":1,"expected_step":0"#).int("step") == 1)
        #expect(try client.act("step", on: "ordered", #""token":2,"expected_step":1"#).int("step") == 2)
        try client.post("/v1/sessions/ordered/step", #"{"token":1,"start":true}"#).expectProblem(422, "invalid-input")
        try client.post("/v1/sessions", #"{"model":"letters","id":"ordered"}"#).expectProblem(409, "session-exists")
        #expect(try client.step(of: "ordered") == 2)
    }

    @Test("7: clients that never end their sessions do no harm") func abandoned() throws {
        let (server, _) = try server()
        let client = server.client()
        for _ in 0..<20 {
            let sequences = [String](repeating: #"{"tokens":[1],"create":true}"#, count: 500)
            let reply = try client.post(
                "/v1/prefill", "{\"model\":\"letters\",\"sequences\":[\(sequences.joined(separator: ","))]}")
            #expect(reply.status == 200)
            let brief = (0..<50).map { _ in
                HTTPRequest("POST", "/v1/sessions", json: #"{"model":"letters","idle_seconds":0.001}"#)
            }
            #expect(try client.performAtOnce(brief).allSatisfy { $0.status == 201 })
        }
        // Those with a short life are gone, the others are there, and the server answers.
        var (count, after) = (0, "")
        repeat {
            let page = try client.get("/v1/sessions?limit=1000\(after)")
            count += RawJSON.elements(try page.raw("data")).count
            after = try page.json["has_more"]?.bool == true ? "&after=\(page.string("last_id"))" : ""
        } while !after.isEmpty
        #expect((10_000...10_050).contains(count), "\(count)")
        #expect(server.terminate() == 0)
    }

    @Test("8: of many who take a name or the last room at once one gets it") func races() throws {
        let (server, _) = try server()
        let client = server.client()
        for round in 0..<10 {
            let create = HTTPRequest("POST", "/v1/sessions", json: "{\"model\":\"letters\",\"id\":\"only-\(round)\"}")
            let statuses = try client.performAtOnce([HTTPRequest](repeating: create, count: 30)).map(\.status)
            #expect(statuses.sorted() == [201] + [Int](repeating: 409, count: 29))
        }
    }

    @Test("9: a session that makes room is there at any moment of its way to the disk") func spilling() throws {
        let (server, folder) = try crowded(memoryFor: 5, of: 300)
        defer { withExtendedLifetime(folder) {} }
        let client = server.client()
        for index in 0..<300 {
            try client.create("s\(index)", of: "letters", ",\"tokens\":[\(index % 18)],\"durability\":\"none\"")
            // The one that is being moved, or has just been.
            for back in [4, 5, 6, 7] where index >= back {
                #expect(try client.act("step", on: "s\(index - back)", #""token":1"#).int("step") > 1)
            }
        }
        #expect(server.terminate() == 0)
    }

    @Test("10: a state brings its last output along, so that sampling goes on from it") func lastOutput() throws {
        let (server, models) = try server()
        let client = server.client()
        try client.create("here", of: "letters", #","tokens":[1,2,3,4,5]"#)
        let file = try client.get("/v1/sessions/here/state").body
        let other = try ServerProcess(serving: models)
        let type = [("Content-Type", "application/octet-stream")]
        #expect(try other.client().request("PUT", "/v1/sessions/there/state", body: file, headers: type).status == 201)
        let generate = #""max_tokens":30,"seed":4"#
        let tokens = try client.act("generate", on: "here", generate).ints("tokens")
        #expect(try other.client().act("generate", on: "there", generate).ints("tokens") == tokens)
    }

    @Test("11: a prompt is reused to the very step at which it parts from another") func reuse() throws {
        let (server, _) = try server()
        let client = server.client()
        var random = SeededGenerator(seed: 3)
        let shared = (0..<777).map { _ in Int.random(in: 0..<18, using: &random) }
        func prefill(_ tokens: [Int], _ more: String = "") throws -> HTTPReply {
            try client.post(
                "/v1/prefill",
                "{\"model\":\"letters\",\"sequences\":[{\"tokens\":\(tokens),\"return_state\":true}],\"logits\":true\(more)}"
            )
        }
        func cached(_ reply: HTTPReply) throws -> Int? {
            try reply.json["results"]?.elements.first { _ in true }?["usage"]?["cached_steps"]?.int
        }
        for ending in 0..<5 {
            let tokens = shared + [ending] + (0..<40).map { ($0 + ending) % 18 }
            let reply = try prefill(tokens)
            if ending > 1 { #expect(try cached(reply) == 777) }
            let again = try prefill(tokens)
            #expect(try cached(again) == tokens.count)
            let bypass = try prefill(tokens, #","cache":{"mode":"bypass"}"#)
            #expect(try cached(bypass) == 0)
            for member in ["output", "state"] {
                let results = try [reply, again, bypass].map {
                    RawJSON.member(member, of: RawJSON.elements(try $0.raw("results"))[0])
                }
                #expect(results[0] == results[1] && results[1] == results[2] && results[0] != nil)
            }
        }
        try client.post("/v1/prefill", #"{"model":"letters","sequences":[{"tokens":[1]}],"cache":{"mode":"maybe"}}"#)
            .expectProblem(422, "invalid-input", mentioning: "cache.mode")
    }
}
