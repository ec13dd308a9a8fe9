import JSON
import TestSupport
import Testing

@Suite("Checkpoints and rewinding", .server(LiveModels.both))
struct RewindTests {
    @Test("a session that went back goes on with the bytes it went on with before", arguments: ["letters", "vectors"])
    func again(model: String) throws {
        let client = try LiveServer.client()
        let inputs = LiveInputs(for: model, 12, seed: 5)
        let id = "again-\(model)"
        try client.create(id, of: model)
        _ = try client.act("prefill", on: id, inputs.sequence(0..<6))
        let made = try client.post("/v1/sessions/\(id)/checkpoints", "{}")
        #expect(made.status == 201)
        #expect(try made.string("name") == "step-6")
        let first = try (6..<12).map {
            try client.act("step", on: id, inputs.step($0) + inputs.wholeOutput).raw("output")
        }
        for target in [#""to_step":6"#, #""checkpoint":"step-6","expected_step":12"#] {
            #expect(try client.act("rewind", on: id, target).int("step") == 6)
            let second = try (6..<12).map {
                try client.act("step", on: id, inputs.step($0) + inputs.wholeOutput).raw("output")
            }
            #expect(first == second)
        }
    }

    @Test("recent states are kept by themselves, also of a stream that nobody reads to its end") func recent() throws {
        let client = try LiveServer.client()
        try client.create("recent", of: "letters", #","tokens":[1,2,3],"recent_states":5"#)
        let alone = try client.act("generate", on: "recent", #""max_tokens":8,"seed":3,"temperature":0.9"#)
        #expect(try client.act("rewind", on: "recent", #""to_step":3"#).int("step") == 3)
        let streamed = try client.post(
            "/v1/sessions/recent/generate", #"{"max_tokens":8,"seed":3,"temperature":0.9,"stream":true}"#)
        #expect(streamed.text.split(separator: "\n").count == 9)
        let listed = RawJSON.elements(try client.get("/v1/sessions/recent/checkpoints").raw("data"))
        #expect(listed.map { RawJSON.member("step", of: $0) } == ["6", "7", "8", "9", "10"])
        #expect(listed.allSatisfy { RawJSON.member("name", of: $0) == "null" })
        #expect(try client.act("rewind", on: "recent", #""to_step":8"#).int("step") == 8)
        let rest = try client.act("generate", on: "recent", #""max_tokens":3,"seed":3,"temperature":0.9"#)
        #expect(try rest.ints("tokens") == Array(try alone.ints("tokens").suffix(3)))
    }

    @Test("what cannot be done leaves the session where it stands") func refusals() throws {
        let client = try LiveServer.client()
        try client.create("stays", of: "letters", #","tokens":[1,2]"#)
        func rewind(_ body: String, _ status: Int, _ slug: String, mentioning text: String = "") throws {
            try client.post("/v1/sessions/stays/rewind", body).expectProblem(status, slug, mentioning: text)
        }
        try rewind(#"{"to_step":1}"#, 404, "checkpoint-not-found", mentioning: "it keeps none")
        try rewind(#"{"checkpoint":"a"}"#, 404, "checkpoint-not-found", mentioning: "\"a\"")
        try rewind("{}", 422, "invalid-input")
        try rewind(#"{"to_step":1,"checkpoint":"a"}"#, 422, "invalid-input")
        try rewind(#"{"to_step":-1}"#, 422, "invalid-input")
        try rewind(#"{"to_step":1,"expected_step":1}"#, 412, "step-mismatch")
        let path = "/v1/sessions/stays/checkpoints"
        try client.post(path, #"{"name":"-"}"#).expectProblem(422, "invalid-input")
        try client.post(path, #"{"expected_step":1}"#).expectProblem(412, "step-mismatch")
        for _ in 0..<64 {
            #expect(try client.post(path, "{\"name\":\"\(UInt32.random(in: 0...UInt32.max))\"}").status == 201)
        }
        try client.post(path, #"{"name":"one-more"}"#).expectProblem(422, "too-many-checkpoints", mentioning: "64")
        try client.request("DELETE", path + "/none").expectProblem(404, "checkpoint-not-found")
        try client.post("/v1/sessions/nobody/rewind", #"{"to_step":1}"#).expectProblem(404, "session-not-found")
        #expect(try client.step(of: "stays") == 2)
        try client.post("/v1/sessions", #"{"model":"letters","recent_states":1025}"#).expectProblem(
            422, "invalid-input")
    }
}
