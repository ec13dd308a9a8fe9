import TestSupport
import Testing

@Suite(
    "Inputs that would end in NaN or infinity",
    .server { folder in
        var model = RandomModel()
        (model.inputSize, model.outputSize, model.norm, model.mlpWidth) = (3, 2, nil, nil)
        model.write(to: folder, name: "vectors")
    })
struct NonFiniteTests {
    private static let huge = "[3e38,3e38,3e38]"

    @Test("are refused, and the session keeps its last good state") func refused() throws {
        let client = try LiveServer.client()
        let inputs = LiveInputs(for: "vectors", 6, seed: 1)
        for id in ["hit", "twin"] { try client.create(id, of: "vectors", "," + inputs.sequence(0..<5)) }
        let good = inputs.sequence(0..<2).dropFirst(#""vectors":["#.count).dropLast()
        let refused = [
            ("step", "\"vector\":\(Self.huge)"), ("prefill", "\"vectors\":[\(Self.huge)]"),
            ("prefill", "\"vectors\":[\(good),\(Self.huge),\(good)]"),
            ("prefill", "\"vectors\":[\(good),\(Self.huge)],\"return\":\"all\""),
            ("prefill", "\"vectors\":[\(Self.huge),\(good)],\"return\":\"none\""),
        ]
        for (operation, members) in refused {
            let reply = try client.post("/v1/sessions/hit/\(operation)", "{\(members)}")
            try reply.expectProblem(422, "non-finite-state")
            #expect(try client.step(of: "hit") == 5)
        }
        let outputs = try ["hit", "twin"].map { try client.act("step", on: $0, inputs.step(5)) }
        #expect(try outputs[0].int("step") == 6)
        #expect(try outputs[0].raw("output") == outputs[1].raw("output"))
    }

    @Test("make no session") func creation() throws {
        let client = try LiveServer.client()
        try client.post("/v1/sessions", "{\"model\":\"vectors\",\"id\":\"never\",\"vectors\":[\(Self.huge)]}")
            .expectProblem(422, "non-finite-state")
        try client.get("/v1/sessions/never").expectProblem(404, "session-not-found")
    }

    @Test("leave the sessions beside them in a batch alone") func batch() throws {
        let client = try LiveServer.client()
        let inputs = LiveInputs(for: "vectors", 1, seed: 2)
        for id in ["left", "middle", "right", "apart"] { try client.create(id, of: "vectors") }
        let steps = [("left", inputs.step(0)), ("middle", "\"vector\":\(Self.huge)"), ("right", inputs.step(0))]
        let list = steps.map { "{\"session\":\"\($0)\",\($1)}" }.joined(separator: ",")
        let results = RawJSON.elements(try client.post("/v1/step", "{\"steps\":[\(list)]}").raw("results"))
        let alone = try client.act("step", on: "apart", inputs.step(0)).raw("output")
        #expect(RawJSON.member("output", of: results[0]) == alone)
        #expect(RawJSON.member("output", of: results[2]) == alone)
        #expect(results[1].contains("urn:scanstep:non-finite-state"))
        #expect(try ["left", "middle", "right"].map { try client.step(of: $0) } == [1, 0, 1])
    }
}
