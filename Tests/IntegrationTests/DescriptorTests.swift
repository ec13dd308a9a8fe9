import Foundation
import TestSupport
import Testing

@Suite("A server that runs out of descriptors")
struct DescriptorTests {
    @Test("accepts again when some are free") func exhausted() throws {
        let models = TemporaryFolder()
        LiveModels.letters(models)
        let server = try ServerProcess(
            executable: URL(fileURLWithPath: "/bin/bash"),
            arguments: [
                "-c", "ulimit -n 48; exec \"$0\" serve --models \"$1\" --port 0", ServerProcess.scanstep.path,
                models.path,
            ])
        // More than it can accept wait in the listening socket's queue.
        var sockets = try (0..<64).map { _ in try RawSocket(port: server.port) }
        #expect(server.isRunning)
        sockets.removeAll()
        #expect(try server.client().get("/livez").status == 200)
        #expect(server.terminate() == 0)
    }
}
