import Foundation
import TestSupport
import Testing

@Suite("Shutting down")
struct ShutdownTests {
    private static let body = #"{"text":"abc","max_tokens":100000,"seed":1,"stream":true}"#

    /// A small model, quick enough for long streams.
    private func folder() -> TemporaryFolder {
        let folder = TemporaryFolder()
        var model = RandomModel()
        (model.layers, model.width, model.innerWidth, model.mlpWidth) = (1, 8, 8, nil)
        model.write(to: folder, name: "letters", characters: LiveModels.characters)
        return folder
    }

    /// A server and a connection to it on which a stream has begun that is longer than all buffers.
    private func streaming(_ arguments: [String], in folder: TemporaryFolder) throws -> (ServerProcess, RawSocket) {
        let server = try ServerProcess(serving: folder, arguments)
        try server.client().create("running", of: "letters")
        let socket = try RawSocket(port: server.port)
        try socket.send(
            "POST /v1/sessions/running/generate HTTP/1.1\r\nHost: localhost\r\n"
                + "Content-Length: \(Self.body.utf8.count)\r\n\r\n\(Self.body)")
        #expect(try socket.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
        return (server, socket)
    }

    @Test("SIGTERM refuses new connections, lets a running stream come to its end and exits with status 0")
    func drain() throws {
        let folder = folder()
        let (server, socket) = try streaming([], in: folder)
        server.send(signal: SIGTERM)
        let deadline = Date(timeIntervalSinceNow: 20)
        var isRefused = false
        while !isRefused, Date() < deadline {
            do { _ = try RawSocket(port: server.port) } catch { isRefused = true }
        }
        #expect(isRefused)
        #expect(server.isRunning)
        let rest = try socket.readUntilClose()
        #expect(rest.hasSuffix("0\r\n\r\n"))
        #expect(rest.suffix(400).contains(#"{"done":true,"step":100003,"finish_reason":"length""#))
        #expect(server.waitForExit() == 0)
        #expect(server.errorText.contains("draining"))
    }

    @Test("idle connections are closed at once, so that nobody waits for them") func idle() throws {
        let folder = folder()
        let server = try ServerProcess(serving: folder)
        let sockets = try (0..<10).map { _ in try RawSocket(port: server.port) }
        for socket in sockets {
            try socket.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try socket.read(until: "\"live\"}\n").hasPrefix("HTTP/1.1 200"))
        }
        server.send(signal: SIGTERM)
        for socket in sockets { #expect(try socket.readUntilClose().isEmpty) }
        #expect(server.waitForExit() == 0)
        #expect(server.errorText.contains("cut_off=false"))
    }

    @Test("what outlasts the drain timeout is cut off, and the exit is still clean") func cutOff() throws {
        let folder = folder()
        let (server, socket) = try streaming(["--drain-timeout", "100ms"], in: folder)
        #expect(server.terminate(seconds: 30) == 0)
        #expect(server.errorText.contains("cut_off=true"))
        #expect(!(try socket.readUntilClose().hasSuffix("0\r\n\r\n")))
    }

    @Test("a stream that waits for its session is cut off too") func cutOffQueued() throws {
        let folder = folder()
        let (server, socket) = try streaming(["--drain-timeout", "100ms"], in: folder)
        let queued = try (0..<3).map { _ in try RawSocket(port: server.port) }
        for socket in queued {
            try socket.send(
                "POST /v1/sessions/running/generate HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Length: \(Self.body.utf8.count)\r\n\r\n\(Self.body)")
        }
        #expect(server.terminate(seconds: 30) == 0)
        for socket in queued + [socket] { #expect(!(try socket.readUntilClose().hasSuffix("0\r\n\r\n"))) }
    }

    @Test("a long generation without a stream is cut off too") func cutOffPlain() throws {
        let folder = folder()
        let server = try ServerProcess(serving: folder, ["--drain-timeout", "0ms"])
        let client = server.client()
        try client.create("running", of: "letters")
        let sockets = try (0..<20).map { _ in try RawSocket(port: server.port) }
        let body = #"{"text":"abc","max_tokens":100000,"seed":1}"#
        for socket in sockets {
            try socket.send(
                "POST /v1/sessions/running/generate HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        }
        #expect(server.terminate(seconds: 30) == 0)
    }

    @Test("a second SIGTERM ends the server at once, whatever runs") func twice() throws {
        let folder = folder()
        let (server, socket) = try streaming(["--drain-timeout", "1h"], in: folder)
        server.send(signal: SIGTERM)
        #expect(server.waitForError("draining"))
        #expect(server.terminate(seconds: 20) == 128 + SIGTERM)
        withExtendedLifetime(socket) {}
    }

    @Test("SIGINT ends the server the same way") func interrupt() throws {
        let folder = folder()
        let server = try ServerProcess(serving: folder)
        server.send(signal: SIGINT)
        #expect(server.waitForExit() == 0)
        #expect(server.errorText.contains("SIGINT"))
    }
}
