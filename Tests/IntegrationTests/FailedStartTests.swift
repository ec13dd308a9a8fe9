import Foundation
import TestSupport
import Testing

@Suite("A start that fails stops what it had started, says why in one line and ends with status 1")
struct FailedStartTests {
    private func models() -> TemporaryFolder {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        return folder
    }

    private static let shell = URL(fileURLWithPath: "/bin/bash")

    /// Runs `scanstep serve` with so many inherited descriptors; `redirection` makes them in the shell.
    private func inheriting(
        _ redirection: String, _ count: String, models: TemporaryFolder
    ) throws -> FinishedProgram {
        let command = "exec \(redirection); LISTEN_PID=$$ LISTEN_FDS=\(count) exec \"$0\" serve --models \"$1\""
        return try FinishedProgram(["-c", command, ServerProcess.scanstep.path, models.path], executable: Self.shell)
    }

    /// The same with one descriptor, whatever it is.
    private func inheriting(
        _ handle: FileHandle, _ options: String = "", models: TemporaryFolder
    ) throws -> ServerProcess {
        let command =
            "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve --models \"$1\" \(options)"
        return try ServerProcess(
            executable: Self.shell, arguments: ["-c", command, ServerProcess.scanstep.path, models.path], input: handle,
            waits: false)
    }

    /// Expects the end of a start that failed for `reason`.
    private func expect(_ run: FinishedProgram, _ reason: String, loaded: Bool = false) {
        #expect(run.status == 1, "\(run.errors)")
        #expect(run.output.isEmpty)
        let lines = run.errors.split(separator: "\n").filter { $0.hasPrefix("Error: ") }
        #expect(lines.count == 1 && lines.first?.contains(reason) == true, "\(run.errors)")
        #expect(run.errors.contains("loaded letters") == loaded, "\(run.errors)")
    }

    @Test(
        "inherited descriptors that are no listening sockets are refused before any model is loaded",
        arguments: [
            ("3<&-", "1", "cannot listen on inherited descriptor 3: "),
            ("3</dev/null", "1", "cannot listen on inherited descriptor 3: listen: it is no listening socket"),
            ("3<&-", "2147483647", "LISTEN_FDS must be the number of inherited sockets, from 0 to 1024"),
            ("3<&-", "two", "LISTEN_FDS must be the number of inherited sockets, from 0 to 1024, not \"two\""),
            ("3<&-", "-1", "LISTEN_FDS must be"),
        ])
    func inherited(redirection: String, count: String, reason: String) throws {
        expect(try inheriting(redirection, count, models: models()), reason)
    }

    @Test("a socket that does not listen, and one that takes no streams, are refused") func wrongSockets() throws {
        for type in [SOCK_STREAM, SOCK_DGRAM] {
            let descriptor = socket(AF_INET, Int32(type.rawValue), 0)
            let folder = models()
            let run = try inheriting(FileHandle(fileDescriptor: descriptor, closeOnDealloc: true), models: folder)
            #expect(run.waitForExit(seconds: 20) == 1)
            let reason = "Error: cannot listen on inherited descriptor 3: listen: it is no listening socket\n"
            #expect(run.errorText == reason)
        }
    }

    @Test("sockets announced to another process are left alone, and the log says so") func otherProcess() throws {
        let folder = models()
        let server = try ServerProcess(serving: folder, environment: ["LISTEN_FDS": "1", "LISTEN_PID": "1"])
        #expect(try server.client().get("/readyz").status == 200)
        #expect(server.terminate() == 0)
        #expect(server.errorText.contains("LISTEN_FDS is ignored: LISTEN_PID is 1, and this process is "))
    }

    @Test("an admin port that is taken is named itself, and the socket that was opened before it is gone")
    func adminPort() throws {
        let (folder, place) = (models(), TemporaryFolder())
        let server = try ServerProcess(serving: folder)
        let socket = place.path + "/socket"
        let run = try FinishedProgram(
            ["serve", "--models", folder.path, "--listen", "unix:" + socket, "--admin-port", "\(server.port)"])
        expect(run, "cannot listen on 127.0.0.1:\(server.port): bind: Address already in use")
        #expect(!FileManager.default.fileExists(atPath: socket))
        #expect(server.terminate() == 0)
    }

    @Test("whatever cannot be used, the socket is gone and nothing hangs") func leftovers() throws {
        let (folder, place) = (models(), TemporaryFolder())
        let (empty, socket) = (TemporaryFolder(), place.path + "/socket")
        let running = try ServerProcess(serving: folder, ["--state-dir", place.path + "/used"])
        func run(_ options: [String], models: TemporaryFolder) throws -> FinishedProgram {
            let run = try FinishedProgram(
                ["serve", "--models", models.path, "--listen", "unix:" + socket] + options, seconds: 20)
            #expect(!FileManager.default.fileExists(atPath: socket), "\(options)")
            return run
        }
        expect(try run([], models: empty), "no model in \(empty.path)")
        let used = ["--state-dir", place.path + "/used"]
        expect(try run(used, models: folder), "another process is using it", loaded: true)
        expect(
            try run(["--state-dir", "/proc/none"], models: folder), "cannot use --state-dir /proc/none", loaded: true)
        expect(try run(["--api-keys", "/nowhere"], models: folder), "cannot use --api-keys /nowhere: ")
        place.write("keys.json", "{")
        let keys = place.path + "/keys.json"
        expect(try run(["--api-keys", keys], models: folder), "cannot use --api-keys \(keys): ")
        let tls = ["--tls-cert", keys, "--tls-key", keys]
        expect(try run(tls, models: folder), "cannot use TLS: ")
        expect(try run(["--access-log", "/nowhere/log"], models: folder), "cannot write --access-log /nowhere/log: ")
        #expect(try running.client().get("/readyz").status == 200)
        #expect(running.terminate() == 0)
        // The folder is whole: another server takes it.
        let next = try ServerProcess(serving: folder, used)
        #expect(next.terminate() == 0)
    }

    @Test("a socket path where another server listens stays that server's") func takenPath() throws {
        let (folder, place) = (models(), TemporaryFolder())
        let arguments = ["serve", "--models", folder.path, "--listen", "unix:\(place.path)/socket"]
        let server = try ServerProcess(arguments: arguments)
        expect(try FinishedProgram(arguments), "cannot listen on unix:\(place.path)/socket: ")
        #expect(FileManager.default.fileExists(atPath: place.path + "/socket"))
        #expect(server.terminate() == 0)
    }

    @Test("with inherited sockets a failing start leaves them to whoever holds them") func inheritedAndFailing() throws
    {
        let (folder, place) = (models(), TemporaryFolder())
        let running = try ServerProcess(serving: folder, ["--state-dir", place.path])
        let listener = try ListeningSocket()
        let run = try inheriting(listener.handle, "--state-dir '\(place.path)'", models: folder)
        #expect(run.waitForExit(seconds: 20) == 1)
        #expect(run.errorText.contains("another process is using it"), "\(run.errorText)")
        _ = try RawSocket(port: listener.port)
        #expect(running.terminate() == 0)
    }
}
