import JSON
import TestSupport
import Testing

@Suite("Generation", .server(LiveModels.both))
struct GenerateTests {
    /// A new session of `letters` that has absorbed "abc".
    private func session(_ client: HTTPClient) throws -> String {
        try client.post("/v1/sessions", #"{"model":"letters","text":"abc"}"#).string("id")
    }

    private func generate(_ client: HTTPClient, _ members: String, on id: String? = nil) throws -> Generation {
        try Generation(client.act("generate", on: try id ?? session(client), members))
    }

    @Test("lines, server-sent events and a reply in one piece tell the same")
    func formats() throws {
        let client = try LiveServer.client()
        let members = #""max_tokens":200,"seed":7"#
        let plain = try generate(client, members)
        #expect(plain.tokens.count == 200 && plain.finish == "length" && plain.step == 203)
        let characters = Array(LiveModels.characters.unicodeScalars)
        #expect(plain.text == String(String.UnicodeScalarView(plain.tokens.map { characters[$0] })))
        for accept in ["", "application/x-ndjson", "text/event-stream"] {
            let reply = try client.post(
                "/v1/sessions/\(session(client))/generate", "{\(members),\"stream\":true}",
                headers: [("Accept", accept)])
            let streamed = try Generation(streamed: reply)
            #expect((reply.headers["content-type"] == "text/event-stream") == (accept == "text/event-stream"))
            #expect(streamed.withoutSteps == plain)
            #expect(streamed.steps == Array(4...203))
        }
    }

    @Test("the same seed gives the same text, another seed another") func seeds() throws {
        let client = try LiveServer.client()
        let texts = try [1, 1, 2, 9_007_199_254_740_993].map {
            try generate(client, "\"max_tokens\":64,\"seed\":\($0)").text
        }
        #expect(texts[0] == texts[1])
        #expect(Set(texts).count == 3)
        // A seed that the server drew is told, and may be used again.
        let drawn = try client.act("generate", on: session(client), #""max_tokens":64"#)
        let again = try generate(client, "\"max_tokens\":64,\"seed\":\(drawn.int("seed"))")
        #expect(try again == Generation(drawn))
    }

    @Test("a generation in pieces continues where it was") func pieces() throws {
        let client = try LiveServer.client()
        let whole = try generate(client, #""max_tokens":60,"seed":5"#)
        let id = try session(client)
        var text = ""
        for count in [1, 9, 50] { text += try generate(client, "\"max_tokens\":\(count),\"seed\":5", on: id).text }
        #expect(text == whole.text)
        #expect(try client.step(of: id) == 63)
    }

    @Test("an input is absorbed before the first token") func input() throws {
        let client = try LiveServer.client()
        let expected = try generate(client, #""max_tokens":20,"seed":3"#)
        try client.create("fed", of: "letters")
        let reply = try client.act("generate", on: "fed", #""text":"abc","max_tokens":20,"seed":3"#)
        #expect(try Generation(reply) == expected)
        #expect(try reply.json["usage"]?["input_steps"]?.int == 3)
    }

    @Test("temperature 0 and top_k 1 take the likeliest token of each step") func greedy() throws {
        let client = try LiveServer.client()
        let id = try session(client)
        var reply = try client.act("prefill", on: id, #""text":"d""#)
        var tokens: [Int] = []
        for _ in 0..<40 {
            let top = try #require(try reply.json["output"]?["top"]).elements.first { _ in true }
            tokens.append(try #require(top?["token"]?.int))
            reply = try client.act("step", on: id, "\"token\":\(tokens.last!)")
        }
        for choice in [#""temperature":0"#, #""top_k":1"#, #""top_p":0"#, #""temperature":0,"seed":9"#] {
            #expect(try generate(client, #""text":"d","max_tokens":40,"# + choice).tokens == tokens)
        }
    }

    @Test(
        "a temperature however small is the limit of small ones",
        arguments: ["1e-6", "1e-30", "1e-38", "1e-40", "1e-44", "1e-60"])
    func tinyTemperature(temperature: String) throws {
        let client = try LiveServer.client()
        let greedy = try generate(client, #""max_tokens":20,"temperature":0"#)
        #expect(try generate(client, "\"max_tokens\":20,\"temperature\":\(temperature)") == greedy)
    }

    @Test("top_k and top_p draw from the likeliest only") func truncated() throws {
        let client = try LiveServer.client()
        let id = try session(client)
        let likeliest = try client.act("prefill", on: id, #""text":"d","top_logprobs":3"#).json["output"]?["top"]
        let three = try #require(likeliest).elements.compactMap { $0["token"]?.int }
        try #require(three.count == 3)
        var seen: Set<Int> = []
        for seed in 0..<60 {
            seen.formUnion(try generate(client, "\"text\":\"d\",\"max_tokens\":1,\"top_k\":3,\"seed\":\(seed)").tokens)
        }
        #expect(seen == Set(three))
        for seed in 0..<20 {
            let members = "\"text\":\"d\",\"max_tokens\":1,\"top_p\":0.01,\"seed\":\(seed)"
            #expect(try generate(client, members).tokens == [three[0]])
        }
    }

    @Test("a stop text ends the generation before it, and the session has absorbed exactly the tokens told")
    func stop() throws {
        let client = try LiveServer.client()
        let free = Array(try generate(client, #""max_tokens":120,"seed":21"#).text.unicodeScalars)
        for (place, length) in [(0, 1), (17, 1), (30, 2), (40, 3), (60, 5), (119, 1)] {
            let stop = Array(free[place..<min(place + length, free.count)])
            let first = free.indices.first { free[$0...].starts(with: stop) }!
            let text = String(String.UnicodeScalarView(stop))
            for list in ["\"\(text)\"", "[\"zzz\",\"\(text)\"]"] {
                let members = "\"max_tokens\":120,\"seed\":21,\"stop\":\(list)"
                let id = try session(client)
                let stopped = try generate(client, members, on: id)
                #expect(stopped.finish == "stop")
                #expect(stopped.text == String(String.UnicodeScalarView(free[..<first])))
                #expect(stopped.tokens.count == first + stop.count)
                #expect(stopped.step == 3 + stopped.tokens.count)
                #expect(try client.step(of: id) == stopped.step)

                let streamed = try client.act("generate", on: session(client), members + ",\"stream\":true")
                #expect(try Generation(streamed: streamed).withoutSteps == stopped)

                let twin = try session(client)
                _ = try client.act("prefill", on: twin, "\"tokens\":\(stopped.tokens)")
                let after = try [id, twin].map {
                    try client.act("step", on: $0, #""token":1,"logits":true"#).raw("output")
                }
                #expect(after[0] == after[1])
            }
        }
    }

    @Test("text that only began like a stop text is given out at the end") func almostStopped() throws {
        let client = try LiveServer.client()
        let free = try generate(client, #""max_tokens":30,"seed":2"#)
        let last = free.text.suffix(2)
        let held = try generate(client, "\"max_tokens\":30,\"seed\":2,\"stop\":\"\(last)\(last)~\"")
        #expect(held == free)
    }

    @Test("of two stop texts the one that is complete first ends the generation") func nestedStops() throws {
        let client = try LiveServer.client()
        let free = Array(try generate(client, #""max_tokens":40,"seed":8"#).text)
        let place = try #require((1..<38).first { free.firstIndex(of: free[$0]) == $0 })
        // The longer one begins earlier but is never completed.
        let longer = "\(free[place - 1])\(free[place])~"
        let stopped = try generate(client, "\"max_tokens\":40,\"seed\":8,\"stop\":[\"\(longer)\",\"\(free[place])\"]")
        #expect(stopped.finish == "stop")
        #expect(stopped.text == String(free[..<place]))
        #expect(stopped.tokens.count == place + 1)
    }

    @Test("a session that has absorbed nothing needs an input", arguments: ["", ",\"stream\":true"])
    func nothingAbsorbed(stream: String) throws {
        let client = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
        let reply = try client.post("/v1/sessions/\(id)/generate", "{\"max_tokens\":5\(stream)}")
        try reply.expectProblem(422, "invalid-input", mentioning: "nothing")
        #expect(try client.step(of: id) == 0)
    }

    @Test("a model that gives vectors has no tokens to generate") func vectors() throws {
        let client = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"vectors","vectors":[[1,2,3]]}"#).string("id")
        try client.post("/v1/sessions/\(id)/generate", "{}").expectProblem(422, "invalid-input", mentioning: "vectors")
        #expect(try client.step(of: id) == 1)
    }
}
