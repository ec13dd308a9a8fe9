import Foundation
import TestSupport
import Testing

@Suite("Rewinding to step 0")
struct NewEpisodeTests {
    /// Steps of one episode, and their outputs as they stand in the replies.
    private static func episode(_ id: String, _ inputs: LiveInputs, _ client: HTTPClient) throws -> [String] {
        try inputs.steps.indices.map {
            try client.act("step", on: id, inputs.step($0) + inputs.wholeOutput).raw("output")
        }
    }

    @Test(
        "a session that keeps no state of step 0 begins again with the bytes of a new one",
        arguments: ["letters", "vectors"], ["", ",\"recent_states\":2"])
    func again(model: String, more: String) throws {
        let folder = TemporaryFolder()
        LiveModels.both(folder)
        let server = try ServerProcess(serving: folder)
        let client = server.client()
        let inputs = LiveInputs(for: model, 9, seed: 3)
        try client.create("robot", of: model, more)
        let fresh = try client.get("/v1/sessions/robot/state").body
        let first = try Self.episode("robot", inputs, client)
        #expect(try client.act("rewind", on: "robot", #""to_step":0,"expected_step":9"#).int("step") == 0)
        #expect(try client.get("/v1/sessions/robot/state").body == fresh)
        #expect(try Self.episode("robot", inputs, client) == first)
        // Its checkpoints stay, and a session at step 0 may be rewound there too.
        _ = try client.post("/v1/sessions/robot/checkpoints", #"{"name":"end"}"#)
        for _ in 0..<2 { #expect(try client.act("rewind", on: "robot", #""to_step":0"#).int("step") == 0) }
        #expect(try client.act("rewind", on: "robot", #""checkpoint":"end""#).int("step") == 9)
        if !more.isEmpty {
            #expect(try client.act("rewind", on: "robot", #""to_step":0"#).int("step") == 0)
            #expect(try client.act("rewind", on: "robot", #""to_step":9"#).int("step") == 9)
        }
        #expect(server.terminate() == 0)
    }

    @Test("forks that share the state stay where they are") func forks() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder)
        let client = server.client()
        try client.create("parent", of: "letters", #","tokens":[1,2,3]"#)
        #expect(try client.post("/v1/sessions/parent/fork", #"{"ids":["child"]}"#).status == 201)
        let before = try client.get("/v1/sessions/child/state").body
        #expect(try client.act("rewind", on: "parent", #""to_step":0"#).int("step") == 0)
        #expect(try client.get("/v1/sessions/child/state").body == before)
        #expect(try client.step(of: "parent") == 0)
        try client.post("/v1/sessions/parent/generate", #"{"max_tokens":1}"#).expectProblem(
            422, "invalid-input", mentioning: "absorbed nothing")
        #expect(server.terminate() == 0)
    }

    @Test(
        "a rewind that was answered is there after a kill and after an orderly end",
        arguments: ["sync", "async", "none"], [SIGKILL, SIGTERM])
    func durable(durability: String, signal: Int32) throws {
        let (folder, state) = (TemporaryFolder(), TemporaryFolder())
        LiveModels.letters(folder)
        let arguments = ["--state-dir", state.path + "/s", "--flush-interval", "1ms"]
        let inputs = LiveInputs(for: "letters", 4, seed: 8)
        var server = try ServerProcess(serving: folder, arguments)
        try server.client().create("robot", of: "letters", ",\"durability\":\"\(durability)\"")
        let first = try Self.episode("robot", inputs, server.client())
        _ = try server.client().post("/v1/sessions/robot/checkpoints", #"{"name":"kept"}"#)
        #expect(try server.client().act("rewind", on: "robot", #""to_step":0"#).int("step") == 0)
        // Its answer waits for the disk where the session's durability does; an async one is awaited through another.
        if durability == "async" { try server.client().create("after", of: "letters", #","durability":"sync""#) }
        server.send(signal: signal)
        server.waitForExit()
        server = try ServerProcess(serving: folder, arguments)
        let client = server.client()
        if durability == "none", signal == SIGKILL {
            try client.get("/v1/sessions/robot").expectProblem(404, "session-not-found")
        } else {
            #expect(try client.step(of: "robot") == 0)
            #expect(try Self.episode("robot", inputs, client) == first)
            // Also of a session that has come from the disk.
            #expect(try client.act("rewind", on: "robot", #""to_step":0"#).int("step") == 0)
            #expect(try client.act("rewind", on: "robot", #""checkpoint":"kept""#).int("step") == 4)
            #expect(try client.act("rewind", on: "robot", #""to_step":0,"expected_step":4"#).int("step") == 0)
        }
        #expect(server.terminate() == 0)
    }
}
