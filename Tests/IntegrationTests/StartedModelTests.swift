import Foundation
import TestSupport
import Testing

/// Two models of one architecture that give other outputs, and a state that fits both.
private let twins: @Sendable (TemporaryFolder) throws -> Void = { folder in
    for (name, seed) in [("en-decoder", UInt64(1)), ("fr-decoder", 2)] {
        var random = SeededGenerator(seed: seed)
        let shapes = [
            ("weight_ih_l0", [18, 4]), ("weight_hh_l0", [18, 6]), ("bias_ih_l0", [18]), ("bias_hh_l0", [18]),
        ]
        folder.write(
            "\(name)/model.safetensors",
            Safetensors.data(
                shapes.map { name, shape in
                    (name, shape, (0..<shape.reduce(1, *)).map { _ in random.float() })
                }))
    }
    LiveModels.vectors(folder)
}

@Suite("The model that a session's starting state names", .server(twins))
struct StartedModelTests {
    private func file(_ model: String?) -> [UInt8] {
        let metadata = model.map { "\"__metadata__\":{\"model\":\"\($0)\"}," } ?? ""
        let body = Data(
            (0..<6).flatMap { index in
                let bits = (Float(index) / 8).bitPattern
                return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
            })
        return [UInt8](
            Safetensors.data(
                header: "{\(metadata)\"h_n\":{\"dtype\":\"F32\",\"shape\":[1,1,6],\"data_offsets\":[0,24]}}", body: body
            ))
    }

    private func put(_ id: String, _ body: [UInt8], _ client: HTTPClient, _ query: String = "") throws -> HTTPReply {
        try client.request(
            "PUT", "/v1/sessions/\(id)/state\(query)", body: body,
            headers: [("Content-Type", "application/octet-stream")])
    }

    private func output(_ id: String, _ client: HTTPClient) throws -> String {
        try client.act("prefill", on: id, #""vectors":[[1,2,3,4],[0,1,0,1]]"#).raw("output")
    }

    @Test("replacing takes the model that the file names, whatever model the session is of") func replaces() throws {
        let client = try LiveServer.client()
        #expect(try put("fr", file("fr-decoder"), client).status == 201)
        let wanted = try output("fr", client)
        for before in ["en-decoder", "fr-decoder", "vectors"] {
            try client.create("r", of: before)
            let made = try put("r", file("fr-decoder"), client, "?replace=true")
            #expect(made.status == 201, "\(made.text)")
            #expect(try made.string("model") == "fr-decoder")
            #expect(try output("r", client) == wanted)
            #expect(try client.request("DELETE", "/v1/sessions/r").status == 204)
        }
        try client.create("e", of: "en-decoder")
        let kept = try put("e", file(nil), client, "?replace=true")
        #expect(try kept.status == 201 && kept.string("model") == "en-decoder")
        #expect(try output("e", client) != wanted)
    }

    @Test("a session keeps its model: a file that names another is 409, one that names none is taken")
    func keeps() throws {
        let client = try LiveServer.client()
        try client.create("k", of: "en-decoder")
        _ = try output("k", client)
        for (name, words) in [
            ("fr-decoder", "is of model \"en-decoder\", the body is a state of model \"fr-decoder\""),
            ("nobody", "is of model \"en-decoder\", the body is a state of model \"nobody\""),
        ] {
            try put("k", file(name), client).expectProblem(409, "state-model-mismatch", mentioning: words)
        }
        #expect(try client.step(of: "k") == 2)
        for name in ["en-decoder", nil] {
            let made = try put("k", file(name), client)
            #expect(try made.status == 200 && made.string("model") == "en-decoder" && made.int("step") == 0)
        }
        try put("k", file("nobody"), client, "?replace=true").expectProblem(422, "state-corrupt", mentioning: "nobody")
        #expect(try client.get("/v1/sessions/k").string("model") == "en-decoder")
    }

    @Test("a state in a request is of the request's model") func supplied() throws {
        let client = try LiveServer.client()
        func prefill(_ name: String?) throws -> HTTPReply {
            let state = Data(file(name)).base64EncodedString()
            return try client.post(
                "/v1/prefill",
                #"{"model":"en-decoder","sequences":[{"vectors":[[1,2,3,4]],"state":"\#(state)"}]}"#)
        }
        #expect(try prefill(nil).status == 200)
        #expect(try prefill("en-decoder").status == 200)
        try prefill("fr-decoder").expectProblem(
            409, "state-model-mismatch", mentioning: "of model \"fr-decoder\"")
    }
}
