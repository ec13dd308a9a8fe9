import Foundation

/// A child process of the built `scanstep`, ready to be asked. It dies with this object.
final class ServerProcess {
    struct StartError: Error, CustomStringConvertible {
        let description: String
    }

    /// The executable beside the test bundle.
    static var scanstep: URL {
        Bundle.main.executableURL!.resolvingSymlinksInPath().deletingLastPathComponent().appending(path: "scanstep")
    }

    /// Where the server listens, on the loopback address; 0 where that is no port.
    let port: Int
    private let process = Process()
    private let output: PipeReader
    private let errors: PipeReader
    private let hasExited = DispatchSemaphore(value: 0)

    /// Starts the executable and, unless told not to, waits for the line that tells its port.
    init(
        executable: URL = ServerProcess.scanstep, arguments: [String], environment: [String: String] = [:],
        input: FileHandle = .nullDevice, waits: Bool = true, startSeconds: Double = 60
    ) throws {
        let (standardOutput, standardError) = (Pipe(), Pipe())
        process.executableURL = executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = input
        process.standardOutput = standardOutput
        process.standardError = standardError
        process.terminationHandler = { [hasExited] _ in hasExited.signal() }
        try Self.withoutBlockedSignals { [process] in try process.run() }
        output = PipeReader(standardOutput)
        errors = PipeReader(standardError)

        guard waits else {
            port = 0
            return
        }
        // With `--log-format json` the line is an object.
        let line = output.line(with: "scanstep: listening on ", seconds: startSeconds)
        port = line.flatMap { Int($0.split(separator: ":").last?.prefix { $0 != "\"" } ?? "") } ?? 0
        if line == nil {
            stopAtOnce()
            errors.waitForEnd(seconds: 1)
            throw StartError(
                description:
                    "\(executable.path) did not say where it listens; output: \(output.text), errors: \(errors.text)")
        }
    }

    deinit { stopAtOnce() }

    var isRunning: Bool { process.isRunning }
    var processIdentifier: Int32 { process.processIdentifier }
    var outputText: String { output.text }
    var errorText: String { errors.text }

    /// The number behind a text that the server has written, in a line of its own.
    func port(behind prefix: String) -> Int? {
        output.line(with: prefix, seconds: 20).flatMap { Int($0.dropFirst(prefix.count).prefix { $0 != "/" }) }
    }

    /// Waits until the server has said that, in a message.
    func waitForError(_ text: String, seconds: Double = 20) -> Bool { errors.has(text, seconds: seconds) }

    /// A client of this server with a connection of its own.
    func client() -> HTTPClient { HTTPClient(port: port) }

    /// Sends a signal without waiting for its effect.
    func send(signal number: Int32) {
        if process.isRunning { kill(process.processIdentifier, number) }
    }

    /// Asks the server to drain (SIGTERM) and waits: its exit status, or 128 + the signal that killed it. A server that
    /// does not stop in time is killed.
    @discardableResult
    func terminate(seconds: Double = 60) -> Int32 {
        send(signal: SIGTERM)
        return waitForExit(seconds: seconds)
    }

    /// Waits for an exit that has been asked for already; kills a server that is late.
    @discardableResult
    func waitForExit(seconds: Double = 60) -> Int32 {
        if hasExited.wait(timeout: .now() + seconds) == .timedOut {
            send(signal: SIGKILL)
            hasExited.wait()
        }
        hasExited.signal()  // so that a second wait returns too
        errors.waitForEnd(seconds: 1)
        output.waitForEnd(seconds: 1)
        return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    }

    /// A child inherits the signal mask of the thread that starts it, and tests run on threads that block SIGTERM.
    private static func withoutBlockedSignals(_ body: () throws -> Void) rethrows {
        var none = sigset_t()
        var before = sigset_t()
        unsafe sigemptyset(&none)
        unsafe pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        try body()
    }

    private func stopAtOnce() {
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        hasExited.wait()
        hasExited.signal()
    }
}
