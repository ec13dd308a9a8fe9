import Foundation
import TestSupport

/// A program that was run to its end.
struct FinishedProgram {
    let status: Int32
    let output: String
    let errors: String

    /// Runs `executable` and waits; one that is late is killed, and its status says so.
    init(
        _ arguments: [String], executable: URL = ServerProcess.scanstep, environment: [String: String] = [:],
        seconds: Double = 60
    ) throws {
        let process = Process()
        let (standardOutput, standardError) = (Pipe(), Pipe())
        let hasExited = DispatchSemaphore(value: 0)
        process.executableURL = executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = standardOutput
        process.standardError = standardError
        process.terminationHandler = { _ in hasExited.signal() }
        try process.run()
        let readers = [PipeReader(standardOutput), PipeReader(standardError)]
        if hasExited.wait(timeout: .now() + seconds) == .timedOut {
            kill(process.processIdentifier, SIGKILL)
            hasExited.wait()
        }
        for reader in readers { reader.waitForEnd(seconds: 5) }
        status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
        (output, errors) = (readers[0].text, readers[1].text)
    }

    /// `scanstep serve` on a free port, for starts that must fail.
    init(serving folder: String, _ arguments: [String] = [], environment: [String: String] = [:]) throws {
        try self.init(["serve", "--models", folder, "--port", "0"] + arguments, environment: environment)
    }
}
