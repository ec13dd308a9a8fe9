import JSON
import TestSupport
import Testing

@Suite("Many sessions at once", .server(LiveModels.both, arguments: ["--loops", "2"]))
struct ConcurrencyTests {
    private static let sessions = 64
    private static let rounds = 20

    @Test("64 connections that step 64 sessions at once get what each gets alone", arguments: ["letters", "vectors"])
    func connections(model: String) throws {
        let client = try LiveServer.client()
        let inputs = (0..<Self.sessions).map { LiveInputs(for: model, Self.rounds, seed: UInt64(1000 + $0)) }
        for index in 0..<Self.sessions { try client.create("busy-\(model)-\(index)", of: model) }
        var replies: [[HTTPReply]] = []
        for round in 0..<Self.rounds {
            let requests = (0..<Self.sessions).map { index in
                HTTPRequest(
                    "POST", "/v1/sessions/busy-\(model)-\(index)/step",
                    json: "{\(inputs[index].step(round))\(inputs[index].wholeOutput)}")
            }
            replies.append(try client.performAtOnce(requests))
        }
        for index in 0..<Self.sessions {
            try client.create("alone-\(model)-\(index)", of: model)
            for round in 0..<Self.rounds {
                let members = inputs[index].step(round) + inputs[index].wholeOutput
                let alone = try client.act("step", on: "alone-\(model)-\(index)", members)
                let busy = replies[round][index]
                try #require(busy.status == 200, "\(busy.text)")
                #expect(try busy.string("session") == "busy-\(model)-\(index)")
                #expect(try busy.int("step") == round + 1)
                #expect(try busy.raw("output") == alone.raw("output"))
            }
        }
    }

    @Test("steps beside long prefills get the same bytes as steps alone")
    func mixture() throws {
        let client = try LiveServer.client()
        let long = LiveInputs(for: "letters", 2000, seed: 3)
        let short = LiveInputs(for: "letters", 1, seed: 5)
        var requests: [HTTPRequest] = []
        for index in 0..<8 {
            try client.create("mixed-step-\(index)", of: "letters")
            try client.create("mixed-long-\(index)", of: "letters")
            requests.append(
                HTTPRequest(
                    "POST", "/v1/sessions/mixed-long-\(index)/prefill",
                    json: "{\(long.sequence(0..<2000)),\"logits\":true}"))
            requests.append(
                HTTPRequest(
                    "POST", "/v1/sessions/mixed-step-\(index)/step", json: "{\(short.step(0)),\"logits\":true}"))
        }
        let replies = try client.performAtOnce(requests)
        let outputs = try replies.map { try $0.raw("output") }
        for index in outputs.indices.dropFirst(2) { #expect(outputs[index] == outputs[index % 2]) }
        try client.create("mixed-alone", of: "letters")
        #expect(
            try client.act("step", on: "mixed-alone", short.step(0) + ",\"logits\":true").raw("output") == outputs[1])
    }

    @Test("one call steps many sessions of several models, and a failing one leaves the others alone")
    func batch() throws {
        let client = try LiveServer.client()
        let letters = LiveInputs(for: "letters", 40, seed: 7)
        let vectors = LiveInputs(for: "vectors", 40, seed: 8)
        var steps: [String] = []
        var expected: [String] = []
        for index in 0..<40 {
            let (model, inputs) = index % 3 == 0 ? ("vectors", vectors) : ("letters", letters)
            for kind in ["batch", "single"] { try client.create("\(kind)-\(index)", of: model) }
            let members = inputs.step(index) + inputs.wholeOutput
            steps.append("{\"session\":\"batch-\(index)\",\(members)}")
            expected.append(try client.act("step", on: "single-\(index)", members).raw("output"))
        }
        try client.create("behind", of: "letters")
        try client.create("misled", of: "letters")
        let failing = [
            (#"{"session":"nobody","token":1}"#, 404, "session-not-found"),
            (#"{"session":"behind","token":1,"expected_step":5}"#, 412, "step-mismatch"),
            (#"{"session":"misled","token":999}"#, 422, "invalid-input"),
            (#"{"session":"misled","vector":[1,2,3]}"#, 422, "invalid-input"),
        ]
        var mixed = steps
        for (place, fail) in failing.enumerated() { mixed.insert(fail.0, at: place * 11) }
        let reply = try client.post("/v1/step", "{\"steps\":[\(mixed.joined(separator: ","))]}")
        #expect(reply.status == 200)
        var results = RawJSON.elements(try reply.raw("results"))
        try #require(results.count == 44)
        for (place, fail) in failing.enumerated().reversed() {
            let error = try #require(RawJSON.member("error", of: results.remove(at: place * 11)))
            #expect(RawJSON.member("status", of: error) == "\(fail.1)")
            #expect(RawJSON.member("type", of: error) == "\"urn:scanstep:\(fail.2)\"")
        }
        for index in 0..<40 {
            #expect(RawJSON.member("session", of: results[index]) == "\"batch-\(index)\"")
            #expect(RawJSON.member("step", of: results[index]) == "1")
            #expect(RawJSON.member("output", of: results[index]) == expected[index])
        }
        #expect(try client.step(of: "behind") == 0)
        #expect(try client.step(of: "misled") == 0)
    }

    @Test("a session that stands several times in one call takes its steps in their order")
    func repeated() throws {
        let client = try LiveServer.client()
        let inputs = LiveInputs(for: "letters", 30, seed: 9)
        try client.create("repeated", of: "letters")
        try client.create("repeated-alone", of: "letters")
        let steps = (0..<30).map { index in
            "{\"session\":\"repeated\",\(inputs.step(index)),\"expected_step\":\(index),\"logits\":true}"
        }
        let reply = try client.post("/v1/step", "{\"steps\":[\(steps.joined(separator: ","))]}")
        let results = RawJSON.elements(try reply.raw("results"))
        try #require(results.count == 30)
        for index in 0..<30 {
            let alone = try client.act("step", on: "repeated-alone", inputs.step(index) + ",\"logits\":true")
            #expect(RawJSON.member("step", of: results[index]) == "\(index + 1)")
            #expect(RawJSON.member("output", of: results[index]) == (try alone.raw("output")))
        }
    }

    @Test("a session's queue is bounded: what does not fit is told to come back, the rest is done")
    func queue() throws {
        let client = try LiveServer.client()
        try client.create("crowded", of: "letters")
        let steps = [String](repeating: #"{"session":"crowded","token":1}"#, count: 100)
        let reply = try client.post("/v1/step", "{\"steps\":[\(steps.joined(separator: ","))]}")
        let results = Array(try #require(try reply.json["results"]).elements)
        let done = results.compactMap { $0["step"]?.int }
        let refused = results.compactMap { $0["error"] }
        #expect(done.count + refused.count == 100)
        #expect(done == Array(1...65))
        #expect(
            refused.allSatisfy { $0["status"]?.int == 429 && $0["type"]?.string == "urn:scanstep:session-queue-full" })
        #expect(refused.allSatisfy { $0["retry_after_ms"]?.int == 1000 })
        #expect(try client.step(of: "crowded") == done.count)
    }
}
