import Foundation
import TestSupport
import Testing

@Suite("States that leave the server and come back", .server(LiveModels.both))
struct StateTests {
    private func export(_ id: String, _ client: HTTPClient) throws -> HTTPReply {
        let reply = try client.get("/v1/sessions/\(id)/state")
        try #require(reply.status == 200, "\(reply.text)")
        #expect(reply.headers["content-type"] == "application/octet-stream")
        return reply
    }

    private func put(
        _ id: String, _ body: [UInt8], _ client: HTTPClient, headers: [(String, String)] = []
    ) throws -> HTTPReply {
        let type = [("Content-Type", "application/octet-stream")]
        return try client.request("PUT", "/v1/sessions/\(id)/state", body: body, headers: type + headers)
    }

    @Test("another process goes on with the same bytes", arguments: ["letters", "vectors"])
    func otherProcess(model: String) throws {
        let client = try LiveServer.client()
        let inputs = LiveInputs(for: model, 120, seed: 8)
        try client.create("here-\(model)", of: model)
        defer { _ = try? client.request("DELETE", "/v1/sessions/here-\(model)") }
        _ = try client.act("prefill", on: "here-\(model)", inputs.sequence(0..<20))
        let file = try export("here-\(model)", client)

        let folder = TemporaryFolder()
        LiveModels.both(folder)
        let server = try ServerProcess(serving: folder)
        let other = server.client()
        let made = try put("there", file.body, other)
        #expect(made.status == 201 && made.headers["location"] == "/v1/sessions/there")
        #expect(try made.int("step") == 20 && made.string("model") == model)
        #expect(made.headers["etag"] == file.headers["etag"])
        #expect(try export("there", other).body == file.body)
        for index in 20..<120 {
            let (a, b) = (
                try client.act("step", on: "here-\(model)", inputs.step(index)),
                try other.act("step", on: "there", inputs.step(index))
            )
            #expect(try a.raw("output") == b.raw("output"))
        }
        #expect(try export("there", other).body == export("here-\(model)", client).body)
        #expect(server.terminate() == 0)
    }

    @Test("a flipped bit anywhere is found, and nothing is made of it") func flips() throws {
        let client = try LiveServer.client()
        try client.create("whole", of: "letters", #","tokens":[1,2,3]"#)
        let file = try export("whole", client).body
        let header = 8 + file[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let places = Array(0..<header) + stride(from: header, to: file.count, by: 29) + [file.count - 1]
        for index in places {
            var damaged = file
            damaged[index] ^= 1 << UInt8(index % 8)
            let reply = try put("damaged", damaged, client)
            #expect([409, 422].contains(reply.status), "byte \(index): \(reply.text)")
        }
        for count in places {
            try put("cut", Array(file[..<count]), client).expectProblem(422, "state-corrupt")
        }
        try put("longer", file + [0], client).expectProblem(422, "state-corrupt")
        for id in ["damaged", "cut", "longer"] {
            try client.get("/v1/sessions/\(id)").expectProblem(404, "session-not-found")
        }
    }

    @Test("a state of another model is refused, also where only its weights are kept otherwise") func mismatch() throws
    {
        let client = try LiveServer.client()
        try client.create("v", of: "vectors")
        try client.create("l", of: "letters", #","tokens":[1]"#)
        let letters = try export("l", client).body
        try put("v", letters, client).expectProblem(409, "state-model-mismatch")
        #expect(try client.step(of: "v") == 0)
        let folder = TemporaryFolder()
        LiveModels.both(folder)
        for (options, differences, words) in [
            (["--weights", "int8"], #"["weights"]"#, "it has weights kept as f32 instead of int8."),
            (["--scan", "associative"], #"["scan"]"#, "it has scan exact instead of associative."),
            (
                ["--scan", "associative", "--weights", "f16"], #"["scan","weights"]"#,
                "it has scan exact instead of associative and weights kept as f32 instead of f16."
            ),
        ] {
            let server = try ServerProcess(serving: folder, options)
            let reply = try put("l", letters, server.client())
            try reply.expectProblem(409, "state-model-mismatch", mentioning: words)
            #expect(try reply.raw("differences") == differences)
            #expect(server.terminate() == 0)
        }
    }

    @Test("a state fits every model that has its identity, whatever its name, and names what differs from others")
    func twins() throws {
        let folder = TemporaryFolder()
        LiveModels.both(folder)
        var random = RandomModel()
        random.kernel = 3
        random.vocabularySize = LiveModels.characters.count
        random.write(to: folder, name: "a-twin", characters: LiveModels.characters)
        random.seed = 2
        random.write(to: folder, name: "other", characters: LiveModels.characters)
        let server = try ServerProcess(serving: folder)
        let client = server.client()
        let begun = try client.post(
            "/v1/prefill", #"{"model":"letters","sequences":[{"tokens":[1,2],"return_state":true}]}"#)
        let state = try #require(RawJSON.member("state", of: RawJSON.elements(try begun.raw("results"))[0]))
        func goOn(_ model: String) throws -> HTTPReply {
            try client.post("/v1/prefill", #"{"model":"\#(model)","sequences":[{"tokens":[3],"state":\#(state)}]}"#)
        }
        for model in ["letters", "a-twin"] {
            let reply = try goOn(model)
            #expect(reply.status == 200, "\(model): \(reply.text)")
        }
        let refused = try goOn("other")
        try refused.expectProblem(409, "state-model-mismatch", mentioning: "it has other tensors.")
        #expect(try refused.raw("differences") == #"["tensors"]"#)
        let completion = try client.post(
            "/v1/completions", #"{"model":"a-twin","prompt":"a","max_tokens":1,"state":\#(state)}"#)
        #expect(completion.status == 200, "\(completion.text)")
        #expect(server.terminate() == 0)
    }

    @Test("conditions are kept: the state replaced is the state that was seen") func conditions() throws {
        let client = try LiveServer.client()
        try client.create("c", of: "letters", #","tokens":[1,2]"#)
        let first = try export("c", client)
        let tag = try #require(first.headers["etag"])
        #expect(try client.request("GET", "/v1/sessions/c/state", headers: [("If-None-Match", tag)]).status == 304)
        _ = try client.act("step", on: "c", #""token":3"#)
        let second = try export("c", client)
        #expect(second.headers["etag"] != tag)
        let seen = try client.request("GET", "/v1/sessions/c/state", headers: [("If-None-Match", tag)])
        #expect(seen.status == 200 && seen.body == second.body)

        try put("c", first.body, client, headers: [("If-Match", tag)]).expectProblem(412, "state-changed")
        try put("c", first.body, client, headers: [("If-None-Match", "*")]).expectProblem(412, "state-changed")
        try put("new", first.body, client, headers: [("If-Match", "*")]).expectProblem(412, "state-changed")
        try put("c", first.body, client, headers: [("If-Match", "c")]).expectProblem(422, "invalid-input")
        #expect(try client.step(of: "c") == 3)
        let list = "\"x\", " + second.headers["etag"]!
        #expect(try put("c", first.body, client, headers: [("If-Match", list)]).status == 200)
        #expect(try export("c", client).body == first.body)
        #expect(try put("new", first.body, client, headers: [("If-None-Match", "*")]).status == 201)
        try client.get("/v1/sessions/nobody/state").expectProblem(404, "session-not-found")
        try put("-", first.body, client).expectProblem(422, "invalid-input")
    }

    @Test("a client may keep the state itself, in one batch with sessions", arguments: ["letters", "vectors"])
    func stateless(model: String) throws {
        let client = try LiveServer.client()
        let inputs = LiveInputs(for: model, 10, seed: 4)
        let begun = try client.post(
            "/v1/prefill",
            "{\"model\":\"\(model)\",\"sequences\":[{\(inputs.sequence(0..<4)),\"return_state\":true}]}")
        var state = try #require(RawJSON.member("state", of: RawJSON.elements(try begun.raw("results"))[0]))
        try client.create("kept-\(model)", of: model)
        _ = try client.act("prefill", on: "kept-\(model)", inputs.sequence(0..<4))
        for index in 4..<8 {
            let reply = try client.post(
                "/v1/step",
                "{\"steps\":[{\"state\":\(state),\"return_state\":true,\(inputs.step(index))},"
                    + "{\"session\":\"kept-\(model)\",\"return_state\":true,\(inputs.step(index))}]}")
            let results = RawJSON.elements(try reply.raw("results"))
            #expect(RawJSON.member("session", of: results[0]) == "null")
            for name in ["step", "output", "state"] {
                let members = try results.map { try #require(RawJSON.member(name, of: $0)) }
                #expect(members[0] == members[1])
            }
            state = RawJSON.member("state", of: results[0])!
        }
        let ended = try client.post(
            "/v1/prefill", "{\"model\":\"\(model)\",\"sequences\":[{\(inputs.sequence(8..<10)),\"state\":\(state)}]}")
        let last = RawJSON.elements(try ended.raw("results"))[0]
        let kept = try client.act("prefill", on: "kept-\(model)", inputs.sequence(8..<10))
        #expect(RawJSON.member("step", of: last) == "10")
        #expect(try RawJSON.member("output", of: last) == kept.raw("output"))
        #expect(RawJSON.member("state", of: last) == nil)
        #expect(
            try Data(export("kept-\(model)", client).body).base64EncodedString() != state.trimmingCharacters(in: ["\""])
        )
    }

    @Test("a supplied state that is none is an error of its step alone") func suppliedJunk() throws {
        let client = try LiveServer.client()
        try client.create("fine", of: "letters")
        // Too little or too much padding, bits behind the last byte, other alphabets; "QQ==" is one byte.
        let (junk, bytes) = (
            ["@@", "QQ", "QQ=", "QQ===", "QQ==QQ==", "QR==", "QQ==\\n", "Q_-=", " QQ=="], ["QQ==", "AAAA"]
        )
        let steps = (junk + bytes).map { #"{"state":"\#($0)","token":1}"# } + [#"{"session":"fine","token":1}"#]
        let reply = try client.post("/v1/step", #"{"steps":[\#(steps.joined(separator: ","))]}"#)
        #expect(reply.status == 200)
        let results = RawJSON.elements(try reply.raw("results"))
        let types = results.map { RawJSON.member("error", of: $0).flatMap { RawJSON.member("type", of: $0) } }
        #expect(
            types == junk.map { _ in #""urn:scanstep:invalid-input""# }
                + bytes.map { _ in #""urn:scanstep:state-corrupt""# } + [nil])
        try client.post("/v1/step", #"{"steps":[{"token":1}]}"#).expectProblem(422, "invalid-input")
        try client.post("/v1/step", #"{"steps":[{"session":"fine","state":"","token":1}]}"#)
            .expectProblem(422, "invalid-input")
        #expect(try client.step(of: "fine") == 1)
    }
}
