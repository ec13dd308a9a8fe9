import JSON
import TestSupport
import Testing

@Suite("Golden over HTTP: folders that hold a PyTorch checkpoint and nothing else", .server(LiveModels.golden))
struct GoldenOverHTTPTests {
    @Test("every one of the eight is served") func models() throws {
        let list = try LiveServer.client().get("/v1/models").json
        #expect(list["object"]?.string == "list")
        let ids = try #require(list["data"]).elements.compactMap { $0["id"]?.string }
        #expect(ids == Golden.models)
        #expect(ids.count == 8)
    }

    @Test("a prefill of 64 tokens gives PyTorch's logits within 1e-4", arguments: Golden.models)
    func prefill(model: String) throws {
        let (tokens, expected) = try Golden.expectation(of: model)
        try #require(tokens.count == 64)
        let reply = try LiveServer.client().post("/v1/prefill", request(model, tokens))
        try #require(reply.status == 200, "\(reply.text)")
        let results = try #require(try reply.json["results"])
        let outputs = Array(try #require(Array(results.elements).first?["outputs"]).elements)
        try #require(outputs.count == 64)
        var largest: Float = 0
        for (output, logits) in zip(outputs, expected) {
            let served = try #require(output["logits"]?.floats())
            try #require(served.count == logits.count)
            for (one, other) in zip(served, logits) { largest = max(largest, abs(one - other)) }
        }
        #expect(largest < 1e-4)
    }

    @Test("64 single steps give the same bytes of logits as the prefill", arguments: Golden.models)
    func steps(model: String) throws {
        let tokens = try Golden.expectation(of: model).tokens
        let client = try LiveServer.client()
        let prefill = try client.post("/v1/prefill", request(model, tokens))
        let outputs = RawJSON.elements(try prefill.raw("outputs"))
        try #require(outputs.count == 64)
        let id = "steps-" + model
        try client.create(id, of: model)
        for (index, token) in tokens.enumerated() {
            let reply = try client.act("step", on: id, "\"token\":\(token),\"logits\":true")
            #expect(try reply.int("step") == index + 1)
            #expect(try reply.raw("output") == outputs[index])
        }
    }

    private func request(_ model: String, _ tokens: [Int]) -> String {
        "{\"model\":\"\(model)\",\"sequences\":[{\"tokens\":\(tokens)}],\"return\":\"all\",\"logits\":true}"
    }
}
