import Foundation
import JSON
import TestSupport
import Testing

@Suite("A folder for sessions")
struct StateFolderTests {
    private func models() -> TemporaryFolder {
        let folder = TemporaryFolder()
        LiveModels.both(folder)
        return folder
    }

    @Test("SIGTERM saves what only memory has, and another server goes on with the same bytes") func orderly() throws {
        let (models, state) = (models(), TemporaryFolder())
        // Folders are made as needed.
        let arguments = ["--state-dir", state.path + "/a/b", "--durability", "none"]
        var server = try ServerProcess(serving: models, arguments)
        var client = server.client()
        let inputs = LiveInputs(for: "vectors", 12, seed: 1)
        for id in ["kept", "alone"] { try client.create(id, of: "vectors") }
        #expect(try client.get("/v1/sessions/kept").string("tier") == "memory")
        for id in ["kept", "alone"] { _ = try client.act("prefill", on: id, inputs.sequence(0..<6)) }
        let file = try client.get("/v1/sessions/kept/state").body
        #expect(server.terminate() == 0)
        server = try ServerProcess(serving: models, arguments)
        client = server.client()
        let found = try client.get("/v1/sessions/kept")
        #expect(try found.string("tier") == "disk" && found.string("durability") == "none" && found.int("step") == 6)
        #expect(try client.get("/v1/sessions/kept/state").body == file)
        #expect(try client.get("/v1/sessions/kept").string("tier") == "memory")
        for index in 6..<12 {
            let outputs = try ["kept", "alone"].map { try client.act("step", on: $0, inputs.step(index)).raw("output") }
            #expect(outputs[0] == outputs[1])
        }
        #expect(server.terminate() == 0)
    }

    @Test("a folder that cannot be used ends the start, which says why") func starts() throws {
        let (models, state) = (models(), TemporaryFolder())
        func refusal(_ path: String) throws -> String {
            let run = try FinishedProgram(serving: models.path, ["--state-dir", path])
            #expect(run.status == 1 && run.output.isEmpty, "\(run.errors)")
            #expect(run.errors.contains("cannot use --state-dir \(path): "), "\(run.errors)")
            return run.errors
        }
        #expect(try refusal("/proc/sessions").contains("No such file or directory"))
        let file = state.write("file", "not a folder")
        _ = try refusal(file)
        state.write("garbage/sessions.sqlite", String(repeating: "this is no database. ", count: 500))
        #expect(try refusal(state.path + "/garbage").contains("file is not a database"))
        let server = try ServerProcess(serving: models, ["--state-dir", state.path + "/used"])
        #expect(try refusal(state.path + "/used").contains("another process is using it"))
        #expect(server.terminate() == 0)
        let run = try FinishedProgram(serving: models.path, ["--durability", "sync"])
        #expect(run.status == 64 && run.errors.contains("--state-dir"))
    }

    @Test("without a folder no session can be durable") func noFolder() throws {
        let server = try ServerProcess(serving: models())
        let client = server.client()
        for durability in ["sync", "async", "always"] {
            try client.post("/v1/sessions", "{\"model\":\"letters\",\"durability\":\"\(durability)\"}")
                .expectProblem(422, "invalid-input", mentioning: "durability")
        }
        #expect(try client.post("/v1/sessions", #"{"model":"letters","durability":"none"}"#).status == 201)
    }

    /// Steps until one is refused, and gives that refusal.
    private func stepUntilRefused(_ id: String, _ client: HTTPClient) throws -> (steps: Int, refusal: HTTPReply) {
        let body = "{\"tokens\":\([Int](repeating: 3, count: 90)),\"return\":\"none\"}"
        var steps = try client.step(of: id)
        for _ in 0..<20_000 {
            let reply = try client.post("/v1/sessions/\(id)/prefill", body)
            guard reply.status == 200 else { return (steps, reply) }
            steps += 90
        }
        throw HTTPClientError(description: "nothing was refused")
    }

    /// On a server whose disk will not take everything: moves are refused at last, nothing has moved, and the rest is
    /// served; another server finds every move that was answered.
    private func fill(
        _ models: TemporaryFolder, _ state: TemporaryFolder, _ server: ServerProcess, _ status: Int, _ slug: String
    ) throws {
        let client = server.client()
        for (id, durability) in [("sync", "sync"), ("free", "none")] {
            try client.create(id, of: "letters", ",\"durability\":\"\(durability)\"")
        }
        let (steps, refusal) = try stepUntilRefused("sync", client)
        try refusal.expectProblem(status, slug)
        #expect(try client.step(of: "sync") == steps)
        #expect(try client.act("step", on: "free", #""token":1"#).int("step") == 1)
        let before = try client.get("/v1/sessions/sync/state").body
        server.send(signal: SIGKILL)
        server.waitForExit()
        let another = try ServerProcess(serving: models, ["--state-dir", state.path, "--durability", "sync"])
        let next = another.client()
        #expect(try next.step(of: "sync") == steps)
        #expect(try next.get("/v1/sessions/sync/state").body == before)
        #expect(try next.act("step", on: "sync", #""token":1"#).int("step") == steps + 1)
    }

    @Test("where a disk is full moves are refused with 507, nothing has moved, and the rest is served") func full()
        throws
    {
        let (models, state) = (models(), TemporaryFolder())
        let options = ["--state-dir", state.path, "--durability", "sync", "--state-limit", "300KiB"]
        try fill(models, state, try ServerProcess(serving: models, options), 507, "state-dir-full")
    }

    @Test("where a disk fails moves are refused with 503, nothing has moved, and the rest is served") func failing()
        throws
    {
        let (models, state) = (models(), TemporaryFolder())
        // The system refuses writes beyond that size of a file.
        let command = "ulimit -f 600; exec '\(ServerProcess.scanstep.path)' serve --models '\(models.path)' --port 0"
        let server = try ServerProcess(
            executable: URL(fileURLWithPath: "/bin/bash"),
            arguments: ["-c", command + " --state-dir '\(state.path)' --durability sync"])
        try fill(models, state, server, 503, "state-dir-failed")
        #expect(server.errorText.contains("sessions cannot be kept on disk"))
    }

    @Test("sessions that the disk does not take at the end are counted, and the exit status says so") func unsaved()
        throws
    {
        let (models, state) = (models(), TemporaryFolder())
        let server = try ServerProcess(
            serving: models, ["--state-dir", state.path, "--durability", "none", "--state-limit", "300KiB"])
        let client = server.client()
        for index in 0..<300 { try client.create("s\(index)", of: "letters") }
        #expect(server.terminate() == 1)
        let errors = server.errorText
        #expect(errors.contains("sessions cannot be kept on disk: there is no space left for it"))
        let line = try #require(errors.split(separator: "\n").last { $0.hasPrefix("Error: ") })
        let unsaved = try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        #expect(line == "Error: \(unsaved) of 300 sessions could not be written to disk; their last steps are lost")
        let next = try ServerProcess(serving: models, ["--state-dir", state.path])
        let found = try (0..<300).count { try next.client().get("/v1/sessions/s\($0)").status == 200 }
        #expect(found == 300 - unsaved)
        #expect(found > 0)
    }

    @Test("a session deleted while the disk fails is gone, and the reply says that the disk lags") func deleting()
        throws
    {
        let (models, state) = (models(), TemporaryFolder())
        let server = try ServerProcess(serving: models, ["--state-dir", state.path, "--durability", "sync"])
        let client = server.client()
        for id in ["first", "second"] { try client.create(id, of: "letters") }
        #expect(try client.request("DELETE", "/v1/sessions/first").status == 204)
        try FileManager.default.removeItem(atPath: state.path + "/sessions.sqlite")
        try client.post("/v1/sessions/second/step", #"{"token":1}"#).expectProblem(503, "state-dir-failed")
        let reply = try client.request("DELETE", "/v1/sessions/second")
        #expect(try reply.status == 202 && reply.string("id") == "second" && reply.text.contains(#""durable":false"#))
        for _ in 0..<2 {
            try client.request("DELETE", "/v1/sessions/second").expectProblem(410, "session-gone")
            try client.get("/v1/sessions/second").expectProblem(410, "session-gone")
        }
        #expect(server.errorText.contains("was removed, replaced or cut short"))
    }
}
