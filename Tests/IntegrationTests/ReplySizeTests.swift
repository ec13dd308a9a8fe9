import Foundation
import JSON
import TestSupport
import Testing

private enum ReplySizeModels {
    /// `letters`, 8 wide, and `wide`, whose states are 16 KiB and more.
    @Sendable static func write(_ folder: TemporaryFolder) {
        var model = RandomModel()
        (model.layers, model.width, model.innerWidth, model.mlpWidth) = (1, 8, 8, nil)
        model.write(to: folder, name: "letters", characters: LiveModels.characters)
        (model.layers, model.width, model.innerWidth, model.vocabularySize) = (8, 512, 512, 300)
        model.write(to: folder, name: "wide")
    }
}

@Suite("What one reply may hold", .server(ReplySizeModels.write))
struct ReplySizeTests {
    private func completion(_ members: String) -> String { "{\"model\":\"letters\",\(members)}" }

    private func tokens(_ count: Int) -> String {
        "[" + [String](repeating: "1", count: count).joined(separator: ",") + "]"
    }

    @Test("completions whose choices, tokens and log-probabilities are more than a reply holds are refused at once")
    func completions() throws {
        let client = try LiveServer.client()
        let requests = [
            #""prompt":[1],"n":128,"logprobs":20,"max_tokens":6000"#,
            #""prompt":[1],"n":11,"max_tokens":100000"#,
            #""prompt":[[1],[2]],"n":64,"logprobs":0,"max_tokens":9000"#,
            "\"prompt\":\(tokens(12_000)),\"n\":128,\"logprobs\":20,\"max_tokens\":0,\"echo\":true",
            "\"prompt\":\(tokens(49_933)),\"logprobs\":20,\"max_tokens\":0,\"echo\":true",
        ]
        for request in requests {
            let reply = try client.post("/v1/completions", completion(request))
            try reply.expectProblem(400, "reply-too-large", mentioning: "1048576")
            #expect(try reply.json["error"]?["code"]?.string == "reply_too_large", "\(reply.text)")
        }
        // The largest that is allowed.
        let reply = try client.post(
            "/v1/completions",
            completion("\"prompt\":\(tokens(49_932)),\"logprobs\":20,\"max_tokens\":0,\"echo\":true"))
        #expect(reply.status == 200)
        // The server keeps a fixed number of events for the reader of a stream, whatever it could come to.
        let stream = HTTPRequest(
            "POST", "/v1/completions",
            json: completion(#""prompt":[1],"n":128,"logprobs":20,"max_tokens":6000,"stream":true"#))
        let cut = try LiveServer.client().stream(stream) { _ in false }
        #expect(cut.status == 200 && cut.isAborted)
    }

    @Test("a stream repeats its prompt for each choice, and scores none of it") func echoes() throws {
        let reply = try LiveServer.client().post(
            "/v1/completions",
            completion(#""prompt":"abc","n":3,"logprobs":2,"max_tokens":1,"echo":true,"stream":true"#))
        let events = reply.text.components(separatedBy: "\n\n")
        #expect(events.filter { $0.contains(#""text":"abc""#) }.count == 3, "\(reply.text)")
        #expect(events[0..<3].map { $0.contains(#""text":"abc""#) } == [true, true, true])
        #expect(events.filter { $0.contains("top_logprobs") }.count == 3)
    }

    @Test("a batch of steps or sequences that would return too many numbers is refused, and no session moves")
    func batches() throws {
        let client = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"wide"}"#).string("id")
        func steps(_ count: Int, _ options: String) -> String {
            let step = "{\"session\":\"\(id)\",\"token\":1,\(options)}"
            return "{\"steps\":[" + [String](repeating: step, count: count).joined(separator: ",") + "]}"
        }
        for options in [#""logits":true"#, #""top_logprobs":300"#, #""top_logprobs":1000"#] {
            try client.post("/v1/step", steps(3496, options))
                .expectProblem(422, "reply-too-large", mentioning: "1048800")
        }
        func sequences(_ count: Int, _ options: String) -> String {
            let list = [String](repeating: #"{"tokens":[1]}"#, count: count).joined(separator: ",")
            return "{\"model\":\"wide\",\"sequences\":[\(list)],\(options)}"
        }
        try client.post("/v1/prefill", sequences(3496, #""logits":true"#))
            .expectProblem(422, "reply-too-large", mentioning: "1048800")
        #expect(try client.step(of: id) == 0)
        #expect(try client.post("/v1/step", steps(1, #""logits":true"#)).status == 200)
    }

    @Test("states that come to more than a reply holds are refused on every route that returns them") func states()
        throws
    {
        let client = try LiveServer.client()
        let sequence = #"{"tokens":[1],"return_state":true}"#
        let list = [String](repeating: sequence, count: 4096).joined(separator: ",")
        for stream in [false, true] {
            try client.post("/v1/prefill", "{\"model\":\"wide\",\"sequences\":[\(list)],\"stream\":\(stream)}")
                .expectProblem(422, "reply-too-large", mentioning: "67108864")
        }
        let id = try client.post("/v1/sessions", #"{"model":"wide"}"#).string("id")
        let step = "{\"session\":\"\(id)\",\"token\":1,\"return_state\":true}"
        let steps = [String](repeating: step, count: 4096).joined(separator: ",")
        try client.post("/v1/step", "{\"steps\":[\(steps)]}")
            .expectProblem(422, "reply-too-large", mentioning: "67108864")
        let data = [String](repeating: "1", count: 4096).joined(separator: ",")
        let infer = """
            {"inputs":[{"name":"tokens","datatype":"INT64","shape":[4096,1],"data":[\(data)]}],
             "outputs":[{"name":"state"}],"parameters":{"return":"last"}}
            """
        let reply = try client.post("/v2/models/wide/infer", infer)
        #expect(reply.status == 400 && reply.text.contains("67108864"), "\(reply.text)")
        #expect(try client.step(of: id) == 0)
    }

    @Test("states that wait for the reader of a stream are among the bytes that slow readers may hold together")
    func unread() throws {
        let client = try LiveServer.client()
        let size = try client.get("/v1/models/wide").int("state_bytes")
        let sequence = #"{"tokens":[1],"return_state":true}"#
        let list = [String](repeating: sequence, count: 1000).joined(separator: ",")
        let body = "{\"model\":\"wide\",\"sequences\":[\(list)],\"stream\":true}"
        let sockets = try (0..<2).map { _ in try LiveServer.socket() }
        for socket in sockets {
            try socket.send("POST /v1/prefill HTTP/1.1\r\nHost: t\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            #expect(try socket.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
        }
        func unsent() throws -> Int {
            let name = "\nscanstep_unsent_bytes "
            let text = try client.get("/metrics").text
            let value = try #require(text.range(of: name)).upperBound
            return Int(text[value...].prefix { $0 != "\n" }) ?? -1
        }
        #expect(try unsent() >= 2 * 1000 * size)
        for socket in sockets { socket.close() }
        var deadline = 2000
        while try unsent() > 0, deadline > 0 { deadline -= 1 }
        #expect(try unsent() == 0)
    }
}
