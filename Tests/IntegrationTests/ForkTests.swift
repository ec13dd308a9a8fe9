import JSON
import TestSupport
import Testing

@Suite("Forks", .server(LiveModels.both))
struct ForkTests {
    @Test("children go on from where their parent stands, each for itself, with the bytes of a lone session")
    func independent() throws {
        let client = try LiveServer.client()
        for model in ["letters", "vectors"] {
            let inputs = LiveInputs(for: model, 12, seed: 3)
            try client.create("parent-\(model)", of: model)
            _ = try client.act("prefill", on: "parent-\(model)", inputs.sequence(0..<8))
            let names = ["a", "b", "c"].map { "\($0)-\(model)" }
            let reply = try client.post("/v1/sessions/parent-\(model)/fork", "{\"ids\":\(names)}")
            #expect(reply.status == 201)
            let sessions = RawJSON.elements(try reply.raw("sessions"))
            #expect(sessions.map { RawJSON.member("id", of: $0) } == names.map { "\"\($0)\"" })
            #expect(sessions.allSatisfy { RawJSON.member("step", of: $0) == "8" })

            try client.create("alone-\(model)", of: model)
            _ = try client.act("prefill", on: "alone-\(model)", inputs.sequence(0..<8))
            for index in 8..<12 {
                let expected = try client.act("step", on: "alone-\(model)", inputs.step(index)).raw("output")
                for name in names.prefix(2) {
                    #expect(try client.act("step", on: name, inputs.step(index)).raw("output") == expected)
                }
            }
            #expect(try client.step(of: "parent-\(model)") == 8 && client.step(of: names[2]) == 8)
            let ninth = try client.act("step", on: names[2], inputs.step(8)).raw("output")
            #expect(try client.act("step", on: "parent-\(model)", inputs.step(8)).raw("output") == ninth)
        }
    }

    @Test("a fork waits for what was asked of its parent before") func order() throws {
        let client = try LiveServer.client()
        try client.create("busy", of: "letters")
        let tokens = [Int](repeating: 1, count: 30_000)
        let replies = try client.performAtOnce([
            HTTPRequest("POST", "/v1/sessions/busy/prefill", json: "{\"tokens\":\(tokens)}"),
            HTTPRequest("POST", "/v1/sessions/busy/fork", json: #"{"count":2}"#),
        ])
        #expect(replies.map(\.status) == [200, 201])
        let steps = RawJSON.elements(try replies[1].raw("sessions")).map { RawJSON.member("step", of: $0) }
        #expect(steps == ["0", "0"] || steps == ["30000", "30000"])
    }

    @Test("what cannot be done makes no session") func refusals() throws {
        let client = try LiveServer.client()
        try client.create("p", of: "letters", #","tokens":[1,2]"#)
        try client.create("taken", of: "vectors")
        func fork(_ body: String, _ status: Int, _ slug: String) throws {
            try client.post("/v1/sessions/p/fork", body).expectProblem(status, slug)
        }
        try fork(#"{"ids":["new-1","taken"]}"#, 409, "session-exists")
        try fork(#"{"ids":["new-1","p"]}"#, 409, "session-exists")
        try fork(#"{"ids":["new-1","new-1"]}"#, 422, "invalid-input")
        try fork(#"{"ids":["new-1","-"]}"#, 422, "invalid-input")
        try fork(#"{"ids":["new-1",7]}"#, 422, "invalid-input")
        try fork(#"{"ids":[]}"#, 422, "invalid-input")
        try fork(#"{"ids":["new-1"],"count":1}"#, 422, "invalid-input")
        try fork(#"{"count":0}"#, 422, "invalid-input")
        try fork(#"{"count":4097}"#, 422, "invalid-input")
        try fork(#"{"ids":["new-1"],"expected_step":3}"#, 412, "step-mismatch")
        try client.get("/v1/sessions/new-1").expectProblem(404, "session-not-found")
        try client.post("/v1/sessions/nobody/fork", "{}").expectProblem(404, "session-not-found")
        #expect(try client.request("DELETE", "/v1/sessions/p").status == 204)
        try fork("{}", 410, "session-gone")
    }
}
