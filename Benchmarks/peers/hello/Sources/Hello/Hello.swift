import Foundation
import Hummingbird
import Logging
import NIOPosix

/// Answers `GET /livez` with the bytes of Scanstep's own, on one event loop. Prints its port.
@main
struct Hello {
    static func main() async throws {
        let router = Router()
        router.get("/livez") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: #"{"status":"live"}"#)))
        }
        var logger = Logger(label: "hello")
        logger.logLevel = .error
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in
                FileHandle.standardOutput.write(Data("\(channel.localAddress!.port!)\n".utf8))
            },
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup(numberOfThreads: 1)),
            logger: logger)
        try await application.runService()
    }
}
