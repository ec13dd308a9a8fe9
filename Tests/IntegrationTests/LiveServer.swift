import Foundation
import TestSupport
import Testing

/// The server that all tests of a suite share.
struct LiveServer {
    @TaskLocal static var shared: LiveServer?

    let port: Int

    /// A client of the suite's server with a connection of its own.
    static func client() throws -> HTTPClient { HTTPClient(port: try port()) }

    /// A connection to the suite's server.
    static func socket() throws -> RawSocket { try RawSocket(port: port()) }

    private static func port() throws -> Int { try #require(shared, "the suite has no server").port }
}

/// Starts a server before the first test of a suite; after the last it must drain and exit with status 0.
struct ServerTrait: SuiteTrait, TestScoping {
    let models: @Sendable (TemporaryFolder) throws -> Void
    let arguments: [String]

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        let folder = TemporaryFolder()
        try models(folder)
        let server = try ServerProcess(serving: folder, arguments)
        try await LiveServer.$shared.withValue(LiveServer(port: server.port)) { try await function() }
        #expect(server.isRunning, "\(server.errorText)")
        #expect(server.terminate() == 0, "\(server.errorText)")
    }
}

extension Trait where Self == ServerTrait {
    /// One server for the whole suite, of the models that `models` writes into its folder.
    static func server(
        _ models: @escaping @Sendable (TemporaryFolder) throws -> Void, arguments: [String] = []
    ) -> ServerTrait { ServerTrait(models: models, arguments: arguments) }
}

extension ServerProcess {
    /// Serves the models in `folder` on a free port.
    convenience init(
        serving folder: TemporaryFolder, _ arguments: [String] = [], environment: [String: String] = [:]
    ) throws {
        try self.init(
            arguments: ["serve", "--models", folder.path, "--port", "0"] + arguments, environment: environment)
    }
}
