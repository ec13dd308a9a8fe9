import API
import EventLoop
import Foundation
import HTTP
import JSON
import TestSupport
import Testing

@Suite("The life of a server")
struct LifeCycleTests {
    @Test("while models are loaded it says so, and lets nobody in") func loading() throws {
        let gate = Gate(keys: nil, metrics: ServerMetrics())
        let server = try HTTPServer(
            doors: [.init(.tcp(host: "127.0.0.1", port: 0), gate.router())], errorResponder: Service.errorResponder)
        let client = HTTPClient(port: try server.start()[0])
        defer { server.drain(within: .seconds(1)) }
        #expect(try client.get("/livez").status == 200 && client.get("/metrics").status == 200)
        for _ in 0..<2 {
            let ready = try client.get("/readyz")
            try ready.expectProblem(503, "loading")
            #expect(ready.headers["retry-after"] == "1")
            try client.post("/v1/sessions", #"{"model":"letters"}"#).expectProblem(503, "loading")
        }
    }

    @Test("a socket of the file system is served, left behind by nobody, and taken over from the dead")
    func unixSocket() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let socket = folder.path + "/socket"
        let arguments = ["serve", "--models", folder.path, "--listen", "unix:" + socket]
        let server = try ServerProcess(arguments: arguments)
        #expect(server.outputText == "scanstep: listening on unix:\(socket)\n")
        let client = HTTPClient(HTTPClient.Route(origin: "http://localhost", socket: socket))
        #expect(try client.get("/readyz").status == 200)
        let second = try FinishedProgram(arguments)
        #expect(second.status == 1 && second.errors.contains("cannot listen on unix:\(socket)"))
        #expect(try client.get("/readyz").status == 200)
        server.send(signal: SIGKILL)
        server.waitForExit()
        #expect(FileManager.default.fileExists(atPath: socket))
        let next = try ServerProcess(arguments: arguments)
        #expect(try HTTPClient(client.route).get("/readyz").status == 200)
        #expect(next.terminate() == 0)
        #expect(!FileManager.default.fileExists(atPath: socket))
        let tooLong = try FinishedProgram(
            ["serve", "--models", folder.path, "--listen", "unix:/" + String(repeating: "a", count: 120)])
        #expect(tooLong.status == 1 && tooLong.errors.contains("bytes"))
    }

    @Test("with a socket that was opened before it a restart refuses nobody") func inheritedSocket() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let listener = try ListeningSocket()
        let port = listener.port
        func start() throws -> ServerProcess {
            try ServerProcess(
                executable: URL(fileURLWithPath: "/bin/sh"),
                arguments: [
                    "-c", "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve --models \"$1\"",
                    ServerProcess.scanstep.path, folder.path,
                ], input: listener.handle)
        }
        let first = try start()
        #expect(first.port == port)
        #expect(try HTTPClient(port: port).get("/readyz").status == 200)
        #expect(first.terminate() == 0)
        // Nobody accepts now, and nobody is refused.
        let waiting = try RawSocket(port: port)
        try waiting.send("GET /readyz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        let second = try start()
        #expect(try waiting.readUntilClose().hasPrefix("HTTP/1.1 200"))
        #expect(second.terminate() == 0)
    }

    @Test("SIGHUP takes models in and out; one that has changed stays what it was") func models() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder)
        let client = server.client()
        func reload() throws -> [String] {
            let count = server.errorText.components(separatedBy: "folder of models read again").count
            server.send(signal: SIGHUP)
            let text = String(repeating: "folder of models read again", count: 1)
            let deadline = Date(timeIntervalSinceNow: 20)
            while server.errorText.components(separatedBy: text).count == count, Date() < deadline {}
            return try #require(try client.get("/v1/models").json["data"]).elements.compactMap { $0["id"]?.string }
        }
        try client.create("a", of: "letters", #","text":"abc""#)
        LiveModels.vectors(folder)
        #expect(try reload() == ["letters", "vectors"])
        try client.create("v", of: "vectors")
        #expect(try client.act("step", on: "v", #""vector":[1,2,3]"#).int("step") == 1)

        try FileManager.default.moveItem(atPath: folder.path + "/letters", toPath: folder.path + "-letters")
        defer { try? FileManager.default.removeItem(atPath: folder.path + "-letters") }
        #expect(try reload() == ["vectors"])
        try client.post("/v1/sessions/a/step", #"{"token":1}"#).expectProblem(409, "state-model-mismatch")
        try client.post("/v1/sessions", #"{"model":"letters"}"#).expectProblem(404, "model-not-found")
        try FileManager.default.copyItem(atPath: folder.path + "-letters", toPath: folder.path + "/letters")
        #expect(try reload() == ["letters", "vectors"])
        #expect(try client.act("step", on: "a", #""token":1"#).int("step") == 4)

        var other = RandomModel()
        (other.kernel, other.vocabularySize, other.seed) = (3, LiveModels.characters.count, 99)
        other.write(to: folder, name: "letters", characters: LiveModels.characters)
        #expect(try reload() == ["letters", "vectors"])
        #expect(server.errorText.contains("model letters has changed"))
        #expect(try client.act("step", on: "a", #""token":1"#).int("step") == 5)
        #expect(server.terminate() == 0)
    }

    @Test("a second SIGTERM ends the server at once") func secondSignal() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder)
        // A stream that nobody ends would be waited for.
        try server.client().create("a", of: "letters")
        let socket = try RawSocket(port: server.port)
        try socket.send(
            "POST /v1/sessions/a/generate HTTP/1.1\r\nHost: t\r\nContent-Length: 50\r\n\r\n{\"text\":\"a\",\"max_tokens\":"
        )
        server.send(signal: SIGTERM)
        #expect(server.waitForError("draining"))
        #expect(server.isRunning)
        server.send(signal: SIGTERM)
        #expect(server.waitForExit(seconds: 10) == 128 + SIGTERM)
    }

    @Test("a duplex stream ends with its reason when the server does") func drainingStream() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder)
        try server.client().create("a", of: "letters")
        let socket = try RawSocket(port: server.port)
        try socket.send("POST /v1/sessions/a/stream HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        try socket.send("c\r\n{\"token\":1}\n\r\n")
        _ = try socket.read(until: "\"step\":1")
        server.send(signal: SIGTERM)
        let rest = try socket.readUntilClose()
        #expect(rest.contains(#"{"done":true,"step":1,"steps":1,"errors":0,"reason":"draining"}"#), "\(rest)")
        #expect(rest.hasSuffix("0\r\n\r\n"))
        #expect(server.waitForExit() == 0)
        #expect(server.errorText.contains("cut_off=false"))
    }
}
