import Foundation
import JSON
import TestSupport
import Testing

@Suite("Models that come and go")
struct RepositoryTests {
    fileprivate static let input =
        "{\"inputs\":[{\"name\":\"tokens\",\"datatype\":\"INT64\",\"shape\":[1,2],\"data\":[3,4]}]"

    fileprivate static func infer(_ client: HTTPClient, _ parameters: String) throws -> HTTPReply {
        try client.post("/v2/models/letters/infer", input + ",\"parameters\":{\(parameters)}}")
    }

    @Test("a sequence outlives kill -9, and its model's absence, and goes on with the same bytes") func survival()
        throws
    {
        let (models, state) = (TemporaryFolder(), TemporaryFolder())
        LiveModels.both(models)
        let arguments = [
            "--state-dir", state.path + "/state", "--durability", "sync", "--model-control", "explicit", "--threads",
            "1",
        ]
        var server = try ServerProcess(serving: models, arguments)
        var client = server.client()
        #expect(try Self.infer(client, "\"sequence_id\":\"whole\",\"sequence_start\":true").status == 200)
        let expected = try Self.infer(client, "\"sequence_id\":\"whole\"").raw("outputs")
        #expect(try Self.infer(client, "\"sequence_id\":5,\"sequence_start\":true").status == 200)
        server.send(signal: SIGKILL)
        _ = server.waitForExit()

        server = try ServerProcess(serving: models, arguments)
        client = server.client()
        #expect(try client.post("/v2/repository/models/letters/unload", "").status == 200)
        let gone = try client.post("/v1/sessions/sequence:letters:5/step", "{\"token\":1}")
        #expect(gone.status == 409 && gone.text.contains("state-model-mismatch"))
        #expect(try Self.infer(client, "\"sequence_id\":5").status == 404)
        // What a client has unloaded stays so when the folder is read again.
        server.send(signal: SIGHUP)
        #expect(server.waitForError("folder of models read again"))
        #expect(try client.get("/v2/models/letters/ready").status == 404)
        #expect(try client.get("/v2/models/vectors/ready").status == 200)
        #expect(try client.post("/v2/repository/models/letters/load", "").status == 200)
        let reply = try Self.infer(client, "\"sequence_id\":5,\"sequence_end\":true")
        #expect(reply.status == 200)
        #expect(try reply.raw("outputs") == expected)
        #expect(try client.get("/v1/sessions/sequence:letters:5").status == 410)
        #expect(server.terminate() == 0)
    }
}

extension RepositoryTests {
    @Test("a hundred loads and unloads leave no stack of a thread behind") func stacks() throws {
        let models = TemporaryFolder()
        LiveModels.both(models)
        let server = try ServerProcess(serving: models, ["--model-control", "explicit"])
        let client = server.client()
        /// A thread's stack is one, and the page that guards it another.
        func mappings() throws -> Int {
            let file = try #require(FileHandle(forReadingAtPath: "/proc/\(server.processIdentifier)/maps"))
            return try #require(try file.readToEnd()).count { $0 == UInt8(ascii: "\n") }
        }
        func cycle(_ count: Int) throws {
            for _ in 0..<count {
                #expect(try client.post("/v2/repository/models/letters/unload", "").status == 200)
                #expect(try client.post("/v2/repository/models/letters/load", "").status == 200)
            }
        }
        try cycle(5)
        let before = try mappings()
        try cycle(50)
        let after = try mappings()
        #expect(after - before < 50, "\(before), then \(after) mappings")
        #expect(server.terminate() == 0)
    }

    @Test("where the folder of models cannot be read, a load says so and not that there is no such model")
    func unreadableFolder() throws {
        let models = TemporaryFolder()
        LiveModels.both(models)
        let server = try ServerProcess(serving: models, ["--model-control", "explicit"])
        let client = server.client()
        #expect(try client.post("/v2/repository/models/letters/unload", "").status == 200)
        try FileManager.default.moveItem(atPath: models.path, toPath: models.path + "-away")
        let reply = try client.post("/v2/repository/models/letters/load", "")
        try FileManager.default.moveItem(atPath: models.path + "-away", toPath: models.path)
        #expect(reply.status == 503)
        #expect(reply.text.contains("cannot be read: No such file or directory"))
        #expect(try client.post("/v2/repository/models/letters/load", "").status == 200)
    }
}

@Suite("The Open Inference Protocol over HTTP", .server(LiveModels.both))
struct OpenInferenceTests {
    @Test("without --model-control nobody may load or unload, and the index is told")
    func control() throws {
        let client = try LiveServer.client()
        for verb in ["load", "unload"] {
            let reply = try client.post("/v2/repository/models/letters/\(verb)", "{}")
            #expect(reply.status == 403 && reply.text.contains("--model-control explicit"))
        }
        let index = try client.post("/v2/repository/index", "{\"ready\":true}").json
        #expect(index.elements.compactMap { $0["name"]?.string } == ["letters", "vectors"])
        #expect(try client.post("/v2/repository/index", "{\"Ready\":true}").status == 400)
    }

    @Test("a request that is refused has moved no sequence") func untouched() throws {
        let client = try LiveServer.client()
        #expect(try RepositoryTests.infer(client, "\"sequence_id\":\"s\",\"sequence_start\":true").status == 200)
        let bad = "{\"inputs\":[{\"name\":\"tokens\",\"datatype\":\"INT64\",\"shape\":[1,2],\"data\":[3,99]}]"
        for body in [bad, RepositoryTests.input + ",\"outputs\":[{\"name\":\"x\"}]"] {
            for start in ["true", "false"] {
                let parameters = "\"sequence_id\":\"s\",\"sequence_start\":\(start)"
                let reply = try client.post("/v2/models/letters/infer", body + ",\"parameters\":{\(parameters)}}")
                #expect(reply.status == 400)
                #expect(try client.get("/v1/sessions/sequence:letters:s").int("step") == 2)
            }
        }
    }
}
