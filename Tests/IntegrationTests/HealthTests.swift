import JSON
import TestSupport
import Testing

@Suite("Health and models", .server(LiveModels.both))
struct HealthTests {
    @Test("the server says that it lives and is ready") func health() throws {
        let client = try LiveServer.client()
        #expect(try client.get("/livez").text == "{\"status\":\"live\"}\n")
        #expect(try client.get("/readyz").text == "{\"status\":\"ready\"}\n")
        let head = try client.request("HEAD", "/livez")
        #expect(head.status == 200 && head.body.isEmpty && head.headers["content-length"] == "18")
    }

    @Test("a model tells what it takes and gives") func models() throws {
        let client = try LiveServer.client()
        let letters = try client.get("/v1/models/letters").json
        #expect(letters["object"]?.string == "model")
        #expect(letters["owned_by"]?.string == "scanstep")
        #expect(letters["kind"]?.string == "tokens")
        #expect(letters["vocabulary_size"]?.int == 19)
        #expect(letters["output_size"]?.int == 19)
        #expect(letters["cell"]?.string == "minGRU")
        #expect(letters["layers"]?.int == 2)
        #expect(letters["fingerprint"]?.string?.count == 64)
        let vectors = try client.get("/v1/models/vectors").json
        #expect(vectors["kind"]?.string == "vectors")
        #expect(vectors["input_size"]?.int == 3)
        #expect(vectors["vocabulary_size"] == nil)
        #expect(vectors["output_size"]?.int == 2)
        #expect(vectors["cell"]?.string == "minLSTM")
    }
}
