import Foundation
import JSON
import TestSupport
import Testing

@Suite("Torch's and ParaRNN's cells over HTTP", .server(LiveModels.cells))
struct CellsOverHTTPTests {
    private func put(
        _ id: String, _ tensors: [(String, [Int], [Float])], of model: String? = nil, _ client: HTTPClient
    ) throws -> HTTPReply {
        var file = Safetensors.data(tensors)
        if let model {
            let length = 8 + file[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
            let header = String(decoding: file[8..<length], as: UTF8.self).dropFirst()
            let noted = "{\"__metadata__\":{\"format\":\"pt\",\"model\":\"\(model)\"},\(header)"
            file = Safetensors.data(header: noted, body: file[length...])
        }
        return try client.request(
            "PUT", "/v1/sessions/\(id)/state", body: [UInt8](file),
            headers: [("Content-Type", "application/octet-stream")])
    }

    private func start(_ model: String) throws -> [(String, [Int], [Float])] {
        try [("initial_hidden", "h_n"), ("initial_cell", "c_n")].compactMap { stored, name in
            try Golden.tensor(stored, of: model).map { (name, $0.shape, $0.values) }
        }
    }

    /// What asks for whole outputs: of a model that gives hidden states nothing must be asked.
    private func whole(_ model: String, _ inputs: LiveInputs) -> String {
        ["token-hidden", "token-untied"].contains(model) ? "" : inputs.wholeOutput
    }

    /// Every output of the prefill of a session, and what PyTorch gave.
    private func compare(_ session: String, _ model: String, _ client: HTTPClient) throws {
        let inputs = try LiveInputs(golden: model)
        let reply = try client.act(
            "prefill", on: session, inputs.sequence(inputs.steps.indices) + ",\"return\":\"all\"" + whole(model, inputs)
        )
        #expect(try LiveOutputs.largestDifference(of: reply.json["outputs"], fromGolden: model) < 1e-5)
        #expect(try reply.string("scan") == "sequential")
    }

    @Test("every one is served under the name of its cell, with one scan") func models() throws {
        let list = try LiveServer.client().get("/v1/models").json
        var cells: Set<String> = []
        var count = 0
        for model in try #require(list["data"]).elements {
            cells.insert(model["cell"]?.string ?? "")
            #expect(model["scan"]?.string == "sequential")
            count += 1
        }
        #expect(cells == ["GRU", "LSTM", "RNN", "ParaGRU", "ParaLSTM"])
        #expect(count == Golden.cells.count + Golden.started.count)
    }

    @Test("a prefill gives PyTorch's outputs within 1e-5 at every step", arguments: Golden.cells)
    func prefill(model: String) throws {
        let client = try LiveServer.client()
        try client.create("prefill-" + model, of: model)
        try compare("prefill-" + model, model, client)
    }

    @Test("single steps give the same bytes of outputs as the prefill", arguments: Golden.cells)
    func steps(model: String) throws {
        let inputs = try LiveInputs(golden: model)
        let client = try LiveServer.client()
        let id = "steps-" + model
        try client.create(id, of: model)
        try client.create("whole-" + model, of: model)
        let prefill = try client.act(
            "prefill", on: "whole-" + model, inputs.sequence(0..<40) + ",\"return\":\"all\"" + whole(model, inputs))
        let outputs = RawJSON.elements(try prefill.raw("outputs"))
        try #require(outputs.count == 40)
        for index in 0..<40 {
            let reply = try client.act("step", on: id, inputs.step(index) + whole(model, inputs))
            #expect(try reply.raw("output") == outputs[index])
        }
    }

    @Test("another scan is refused, also where it is exact") func scans() throws {
        let client = try LiveServer.client()
        try client.create("scans", of: "gru", "")
        let inputs = try LiveInputs(golden: "gru").sequence(0..<3)
        for scan in ["associative", "exact"] {
            try client.post("/v1/sessions/scans/prefill", "{\(inputs),\"scan\":\"\(scan)\"}")
                .expectProblem(422, "invalid-input", mentioning: "scan must be sequential for model \"gru\"")
        }
        #expect(try client.act("prefill", on: "scans", inputs + ",\"scan\":\"sequential\"").int("step") == 3)
    }

    @Test("a server that scans associatively leaves them as they are") func otherDefault() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        try LiveModels.golden("gru", folder)
        let server = try ServerProcess(serving: folder, ["--scan", "associative"])
        let client = server.client()
        #expect(try client.get("/v1/models/gru").string("scan") == "sequential")
        #expect(try client.get("/v1/models/letters").string("scan") == "associative")
        #expect(server.terminate() == 0)
    }

    @Test("a session starts from given states, and goes on as PyTorch does", arguments: Golden.started)
    func started(model: String) throws {
        let client = try LiveServer.client()
        let made = try put(model, start(model), of: model, client)
        #expect(made.status == 201, "\(made.text)")
        #expect(try made.int("step") == 0 && made.string("model") == model)
        try compare(model, model, client)
        // The session tells the model where the file does not.
        let again = try put(model, start(model), client)
        #expect(again.status == 200, "\(again.text)")
        #expect(try again.int("step") == 0)
        try compare(model, model, client)
    }

    @Test("states that are not the model's are refused with what is wrong, and nothing is made of them")
    func refused() throws {
        let client = try LiveServer.client()
        let model = "started-lstm"
        let whole = try start(model)
        let (hidden, cell) = (whole[0], whole[1])
        let cases: [([(String, [Int], [Float])], String?, String)] = [
            ([hidden], model, ".cell is missing"), ([cell], model, ".hidden is missing"),
            (whole, nil, "the served model that its metadata name"),
            (whole, "nobody", "the served model that its metadata"),
            (whole + [("x", [1], [0])], model, "tensor x is none of layers.0.hidden"),
            ([("h_n", [hidden.2.count], hidden.2), cell], model, "tensor h_n has shape"),
            ([("h_n", hidden.1, hidden.2.map { _ in .infinity }), cell], model, "not finite"),
            (
                whole + [("layers.0.cell", [cell.1[1]], [Float](repeating: 0, count: cell.1[1]))], model,
                "layers.0.cell is"
            ),
        ]
        for (tensors, name, words) in cases {
            let reply = try put("none", tensors, of: name, client)
            try reply.expectProblem(422, "state-corrupt", mentioning: words)
        }
        #expect(try client.get("/v1/sessions/none").status == 404)
    }
}
