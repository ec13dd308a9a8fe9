import Foundation
import TestSupport
import Testing

@Suite("The description of the API", .server(LiveModels.letters))
struct OpenAPITests {
    @Test("is served byte for byte as it stands in the repository") func bytes() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = try Data(contentsOf: root.appending(path: "openapi.yaml"))
        let reply = try LiveServer.client().get("/openapi.yaml")
        #expect(reply.status == 200)
        #expect(reply.headers["content-type"] == "application/yaml")
        #expect(reply.body == [UInt8](file))
    }
}
