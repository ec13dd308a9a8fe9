import JSON
import TestSupport
import Testing

@Suite("Golden over HTTP: folders that hold a published checkpoint and nothing else", .server(LiveModels.golden))
struct GoldenOverHTTPTests {
    @Test("every one is served") func models() throws {
        let list = try LiveServer.client().get("/v1/models").json
        #expect(list["object"]?.string == "list")
        let ids = try #require(list["data"]).elements.compactMap { $0["id"]?.string }
        #expect(Set(ids) == Set(Golden.models))
        #expect(ids.count == 28)
    }

    @Test("a prefill gives PyTorch's outputs within 1e-4 at every step", arguments: Golden.models)
    func prefill(model: String) throws {
        let inputs = try LiveInputs(golden: model)
        let reply = try LiveServer.client().post("/v1/prefill", request(model, inputs))
        try #require(reply.status == 200, "\(reply.text)")
        let results = try #require(try reply.json["results"])
        let outputs = Array(results.elements).first?["outputs"]
        #expect(try LiveOutputs.largestDifference(of: outputs, fromGolden: model) < 1e-4)
    }

    @Test("single steps give the same bytes of outputs as the prefill", arguments: Golden.models)
    func steps(model: String) throws {
        let inputs = try LiveInputs(golden: model)
        let client = try LiveServer.client()
        let prefill = try client.post("/v1/prefill", request(model, inputs))
        let outputs = RawJSON.elements(try prefill.raw("outputs"))
        try #require(outputs.count == inputs.steps.count)
        let id = "steps-" + model
        try client.create(id, of: model)
        for index in inputs.steps.indices {
            let reply = try client.act("step", on: id, inputs.step(index) + inputs.wholeOutput)
            #expect(try reply.int("step") == index + 1)
            #expect(try reply.raw("output") == outputs[index])
        }
    }

    private func request(_ model: String, _ inputs: LiveInputs) -> String {
        let sequence = inputs.sequence(inputs.steps.indices)
        return "{\"model\":\"\(model)\",\"sequences\":[{\(sequence)}],\"return\":\"all\"\(inputs.wholeOutput)}"
    }
}
