import TestSupport
import Testing

@Suite("What makes a reply a stream", .server(LiveModels.letters))
struct StreamChoiceTests {
    private static let events = ("Accept", "text/event-stream")

    @Test("a client that accepts streams alone gets one without the field stream") func alone() throws {
        let client = try LiveServer.client()
        try client.create("alone", of: "letters", #","tokens":[1,2]"#)
        let path = "/v1/sessions/alone/generate"
        let body = #"{"max_tokens":3,"temperature":0}"#
        for accepted in [
            "text/event-stream", "text/event-stream, application/json;q=0.5", "text/event-stream, */*;q=0.1",
        ] {
            let reply = try client.post(path, body, headers: [("Accept", accepted)])
            #expect(reply.headers["content-type"] == "text/event-stream", "\(accepted): \(reply.text)")
            #expect(reply.text.contains("event: done\n"), "\(reply.text)")
        }
        let lines = try client.post(path, body, headers: [("Accept", "application/x-ndjson")])
        #expect(lines.headers["content-type"] == "application/x-ndjson")
        #expect(lines.text.split(separator: "\n").count == 4)
    }

    @Test("a client that accepts JSON as well, or says that it wants no stream, gets JSON") func json() throws {
        let client = try LiveServer.client()
        try client.create("json", of: "letters", #","tokens":[1,2]"#)
        let path = "/v1/sessions/json/generate"
        for accepted in [
            "*/*", "application/json", "application/json, text/event-stream", "text/event-stream;q=0.5, */*",
        ] {
            let reply = try client.post(path, #"{"max_tokens":1}"#, headers: [("Accept", accepted)])
            #expect(reply.headers["content-type"] == "application/json", "\(accepted)")
        }
        let told = try client.post(path, #"{"max_tokens":1,"stream":false}"#, headers: [Self.events])
        #expect(told.headers["content-type"] == "application/json")
        // A stream takes no key, whatever has made it one.
        try client.post(path, #"{"max_tokens":1}"#, headers: [Self.events, ("Idempotency-Key", "k")])
            .expectProblem(422, "invalid-input", mentioning: "Idempotency-Key")
    }

    @Test("so it is with prefill and with OpenAI's completions, whose streams are events alone") func others() throws {
        let client = try LiveServer.client()
        let prefill = #"{"model":"letters","sequences":[{"tokens":[1]},{"tokens":[2]}],"return":"none"}"#
        let lines = try client.post("/v1/prefill", prefill, headers: [("Accept", "application/x-ndjson")])
        #expect(lines.headers["content-type"] == "application/x-ndjson")
        let completion = #"{"model":"letters","prompt":"ab","max_tokens":2}"#
        let events = try client.post("/v1/completions", completion, headers: [Self.events])
        #expect(events.headers["content-type"] == "text/event-stream" && events.text.hasSuffix("data: [DONE]\n\n"))
        let usage = #"{"model":"letters","prompt":"ab","max_tokens":2,"stream_options":{"include_usage":true}}"#
        #expect(try client.post("/v1/completions", usage, headers: [Self.events]).text.contains("\"total_tokens\":4"))
        let json = try client.post("/v1/completions", completion, headers: [("Accept", "application/json")])
        #expect(json.headers["content-type"] == "application/json")
    }
}
