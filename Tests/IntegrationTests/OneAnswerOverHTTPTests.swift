import JSON
import TestSupport
import Testing

@Suite(
    "One answer over HTTP: the same inputs give the same bytes however they arrive",
    .server { folder in
        try LiveModels.golden(folder)
        LiveModels.both(folder)
    })
struct OneAnswerOverHTTPTests {
    @Test(
        "a prefill of 300, 300 single steps, 3 prefills of 100 and a creation with 300 end in the same bytes",
        arguments: Golden.packaged + ["letters", "vectors"])
    func ways(model: String) throws {
        let client = try LiveServer.client()
        let inputs = LiveInputs(for: model, 300, seed: 11)
        let whole = inputs.wholeOutput

        try client.create("whole-" + model, of: model)
        let prefill = try client.act(
            "prefill", on: "whole-" + model, inputs.sequence(0..<300) + ",\"return\":\"all\"" + whole)
        let outputs = RawJSON.elements(try prefill.raw("outputs"))
        try #require(outputs.count == 300)
        #expect(try prefill.int("step") == 300)

        try client.create("steps-" + model, of: model)
        for index in 0..<300 {
            let reply = try client.act("step", on: "steps-" + model, inputs.step(index) + whole)
            #expect(try reply.raw("output") == outputs[index])
            #expect(try reply.int("step") == index + 1)
        }

        try client.create("thirds-" + model, of: model)
        for third in 0..<3 {
            let range = third * 100..<(third + 1) * 100
            let reply = try client.act("prefill", on: "thirds-" + model, inputs.sequence(range) + whole)
            #expect(try reply.raw("output") == outputs[range.upperBound - 1])
            #expect(try reply.int("step") == range.upperBound)
        }

        let created = try client.create("created-" + model, of: model, "," + inputs.sequence(0..<300) + whole)
        #expect(try created.raw("output") == outputs[299])
        #expect(try created.int("step") == 300)

        // The four states must be the same too: one more step shows it.
        let next = LiveInputs(for: model, 1, seed: 99).step(0) + whole
        let after = try ["whole-", "steps-", "thirds-", "created-"].map { way in
            try client.act("step", on: way + model, next).raw("output")
        }
        #expect(Set(after).count == 1)
    }

    /// Nothing of one request for another.
    private let bypass = ",\"cache\":{\"mode\":\"bypass\"}"

    @Test("a ragged batch of detached sequences gives what each gives alone", arguments: ["letters", "vectors"])
    func ragged(model: String) throws {
        let client = try LiveServer.client()
        let lengths = [1, 250, 7, 193, 64, 2]
        let inputs = lengths.indices.map { LiveInputs(for: model, lengths[$0], seed: UInt64($0)) }
        func request(_ indices: [Int]) -> String {
            let sequences = indices.map { "{\(inputs[$0].sequence(0..<lengths[$0]))}" }.joined(separator: ",")
            return "{\"model\":\"\(model)\",\"sequences\":[\(sequences)]\(inputs[0].wholeOutput)\(bypass)}"
        }
        let together = RawJSON.elements(try client.post("/v1/prefill", request(Array(lengths.indices))).raw("results"))
        try #require(together.count == lengths.count)
        for index in lengths.indices {
            let alone = try client.post("/v1/prefill", request([index]))
            #expect(RawJSON.member("output", of: together[index]) == (try alone.raw("output")))
            #expect(RawJSON.member("step", of: together[index]) == "\(lengths[index])")
            #expect(RawJSON.member("session", of: together[index]) == "null")
        }
    }

    @Test("a streamed batch reports each sequence in a line, and says when there are no more")
    func streamed() throws {
        let client = try LiveServer.client()
        let inputs = (0..<5).map { LiveInputs(for: "letters", 20 * $0 + 1, seed: UInt64($0)) }
        let sequences = inputs.map { "{\($0.sequence($0.steps.indices))}" }.joined(separator: ",")
        let request = "\"model\":\"letters\",\"sequences\":[\(sequences)],\"logits\":true" + bypass
        let plain = RawJSON.elements(try client.post("/v1/prefill", "{\(request)}").raw("results"))
        let streamed = try client.post("/v1/prefill", "{\(request),\"stream\":true}")
        #expect(streamed.headers["content-type"] == "application/x-ndjson")
        let lines = streamed.text.split(separator: "\n").map(String.init)
        #expect(lines.last == "{\"done\":true}")
        try #require(lines.count == 6)
        let sorted = lines.dropLast().sorted { RawJSON.member("index", of: $0)! < RawJSON.member("index", of: $1)! }
        #expect(sorted == plain)
    }

    @Test("the score of a text is the same whole and in pieces, and is what the logits say")
    func score() throws {
        let client = try LiveServer.client()
        let inputs = LiveInputs(for: "letters", 200, seed: 4)
        let whole = try client.post(
            "/v1/prefill", "{\"model\":\"letters\",\"score\":true,\"sequences\":[{\(inputs.sequence(0..<200))}]}")
        let expected = try #require(Float(RawJSON.member("logprob", of: try whole.raw("score"))!))
        #expect(RawJSON.member("steps", of: try whole.raw("score")) == "199")

        try client.create("scored", of: "letters")
        var (sum, steps): (Float, Int) = (0, 0)
        for start in stride(from: 0, to: 200, by: 50) {
            let members = inputs.sequence(start..<start + 50) + ",\"score\":true"
            let score = try #require(try client.act("prefill", on: "scored", members).json["score"])
            sum += try #require(score["logprob"]?.float)
            steps += try #require(score["steps"]?.int)
        }
        #expect(steps == 199)
        #expect(abs(sum - expected) < 1e-3)
    }
}
