import Foundation
import TestSupport
import Testing

@Suite("Stored sessions that no model fits")
struct MisfitTests {
    private func start(
        _ models: TemporaryFolder, _ state: TemporaryFolder, _ options: [String] = []
    ) throws -> ServerProcess {
        try ServerProcess(serving: models, ["--state-dir", state.path, "--durability", "sync"] + options)
    }

    @Test("the log counts them once, GET and refusals say what differs, and they go on when the model is back")
    func told() throws {
        let (models, state) = (TemporaryFolder(), TemporaryFolder())
        LiveModels.both(models)
        var server = try start(models, state)
        var client = server.client()
        for id in ["a", "b", "c"] { try client.create(id, of: "letters", #","tokens":[1,2]"#) }
        try client.create("v", of: "vectors")
        #expect(try client.get("/v1/sessions/a").raw("usable") == "true")
        #expect(!server.errorText.contains("no served model fits"))
        #expect(server.terminate() == 0)

        // Another scan for all of them, and one model less.
        let fewer = TemporaryFolder()
        LiveModels.letters(fewer)
        server = try start(fewer, state, ["--scan", "associative"])
        client = server.client()
        let warnings = server.errorText.split(separator: "\n").filter { $0.contains("no served model fits") }
        #expect(
            warnings.count == 1
                && warnings[0].contains(
                    "stored sessions that no served model fits: 4: 3 of model letters (scan exact instead of "
                        + "associative), 1 of model vectors (not served)"),
            "\(server.errorText)")
        let difference = "it has scan exact instead of associative."
        let found = try client.get("/v1/sessions/a")
        #expect(try found.raw("usable") == "false" && found.string("obstacle").hasSuffix(difference))
        #expect(try client.get("/v1/sessions/v").string("obstacle").contains("not served"))
        let list = try RawJSON.elements(client.get("/v1/sessions").raw("data"))
        #expect(list.count == 4 && list.allSatisfy { RawJSON.member("usable", of: $0) == "false" })
        for (path, body) in [
            ("step", #"{"token":1}"#), ("prefill", #"{"tokens":[1]}"#), ("generate", #"{"max_tokens":1}"#),
            ("fork", "{}"),
        ] {
            try client.post("/v1/sessions/a/\(path)", body)
                .expectProblem(409, "state-model-mismatch", mentioning: difference)
        }
        try client.get("/v1/sessions/a/state").expectProblem(409, "state-model-mismatch", mentioning: difference)
        #expect(server.terminate() == 0)

        server = try start(models, state)
        #expect(try server.client().get("/v1/sessions/a").raw("usable") == "true")
        #expect(try server.client().act("step", on: "a", #""token":1"#).int("step") == 3)
        #expect(server.terminate() == 0)
    }

    @Test("replace makes one anew, whether a model fits it or not, and a refused one replaces nothing")
    func replaced() throws {
        let (models, state) = (TemporaryFolder(), TemporaryFolder())
        LiveModels.both(models)
        var server = try start(models, state)
        var client = server.client()
        for id in ["a", "b", "c"] { try client.create(id, of: "letters", #","tokens":[1,2,3]"#) }
        #expect(server.terminate() == 0)
        server = try start(models, state, ["--scan", "associative"])
        client = server.client()

        try client.post("/v1/sessions", #"{"model":"letters","id":"a"}"#).expectProblem(409, "session-exists")
        let made = try client.post("/v1/sessions", #"{"model":"letters","id":"a","replace":true,"tokens":[5]}"#)
        #expect(made.status == 201, "\(made.text)")
        #expect(try made.int("step") == 1 && made.raw("usable") == "true")
        #expect(try client.act("step", on: "a", #""token":1"#).int("step") == 2)

        // Another model, and a session that is fine.
        let other = try client.post("/v1/sessions", #"{"model":"vectors","id":"a","replace":true}"#)
        #expect(try other.status == 201 && other.int("step") == 0 && other.string("model") == "vectors")
        for body in [
            #"{"model":"letters","id":"a","replace":true,"tokens":[99]}"#, #"{"model":"letters","replace":true}"#,
            #"{"model":"letters","id":"a","replace":1}"#,
        ] { try client.post("/v1/sessions", body).expectProblem(422, "invalid-input") }
        #expect(try client.get("/v1/sessions/a").string("model") == "vectors")

        let file = try client.get("/v1/sessions/a/state").body
        func put(_ path: String, _ headers: [(String, String)] = []) throws -> HTTPReply {
            try client.request(
                "PUT", "/v1/sessions/\(path)", body: file,
                headers: [("Content-Type", "application/octet-stream")] + headers)
        }
        try put("b/state").expectProblem(409, "state-model-mismatch")
        try put("b/state?replace=yes").expectProblem(422, "invalid-input")
        try put("b/state?replace=true", [("If-Match", "*")]).expectProblem(422, "invalid-input")
        #expect(try client.get("/v1/sessions/b").raw("usable") == "false")
        let replaced = try put("b/state?replace=true")
        #expect(try replaced.status == 201 && replaced.string("model") == "vectors" && replaced.raw("usable") == "true")
        #expect(server.terminate() == 0)

        server = try start(models, state, ["--scan", "associative"])
        client = server.client()
        #expect(server.errorText.contains("stored sessions that no served model fits: 1: 1 of model letters"))
        for id in ["a", "b"] { #expect(try client.get("/v1/sessions/\(id)").string("model") == "vectors") }
        #expect(try client.get("/v1/sessions/b/state").body == file)
        #expect(server.terminate() == 0)
    }
}
