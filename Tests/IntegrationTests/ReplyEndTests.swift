import TestSupport
import Testing

@Suite("The end of JSON replies", .server(LiveModels.letters))
struct ReplyEndTests {
    @Test("each ends with one line feed, which its length counts") func lineFeed() throws {
        let client = try LiveServer.client()
        let session = #"{"model":"letters","id":"ends","text":"ab"}"#
        let inputs = #"{"inputs":[{"name":"tokens","datatype":"INT64","shape":[1,1],"data":[1]}]}"#
        var replies: [HTTPReply] = []
        for (method, path, body) in [
            ("POST", "/v1/sessions", session), ("GET", "/v1/models", nil), ("GET", "/v1/sessions", nil),
            ("GET", "/v1/sessions/ends", nil), ("POST", "/v1/sessions/ends/step", #"{"token":1}"#),
            ("POST", "/v1/sessions/ends/generate", #"{"max_tokens":2}"#), ("GET", "/livez", nil),
            ("GET", "/readyz", nil),
            ("POST", "/v1/completions", #"{"model":"letters","prompt":"a"}"#), ("GET", "/v2", nil),
            ("POST", "/v2/models/letters/infer", inputs), ("GET", "/v1/sessions/nobody", nil), ("GET", "/nowhere", nil),
            ("POST", "/v1/completions", "{}"), ("GET", "/v2/models/nobody", nil), ("DELETE", "/v1/models", nil),
            ("POST", "/v1/sessions", session),
        ] {
            let reply =
                if let body { try client.request(method, path, json: body) } else { try client.request(method, path) }
            #expect(reply.text.hasSuffix("}\n") && !reply.text.hasSuffix("\n\n"), "\(method) \(path): \(reply.text)")
            #expect(reply.headers["content-length"] == "\(reply.body.count)", "\(method) \(path)")
            replies.append(reply)
        }
        #expect(replies.map(\.status).contains(404) && replies.map(\.status).contains(405))
    }

    @Test("a reply that is told again under its key is the same to the byte") func replayed() throws {
        let client = try LiveServer.client()
        try client.create("keyed", of: "letters", #","text":"ab""#)
        for (operation, body) in [
            ("step", #"{"token":1}"#), ("generate", #"{"max_tokens":2}"#), ("prefill", #"{"tokens":[1]}"#),
        ] {
            let headers = [("Idempotency-Key", operation)]
            let replies = try (0..<2).map { _ in
                try client.post("/v1/sessions/keyed/\(operation)", body, headers: headers)
            }
            #expect(replies[0].body == replies[1].body && replies[0].body.last == 10, "\(operation)")
            #expect(replies[1].headers["idempotent-replayed"] == "true")
        }
    }

    @Test("lines of streams and bytes behind JSON have no line feed more") func others() throws {
        let client = try LiveServer.client()
        try client.create("streamed", of: "letters", #","text":"ab""#)
        let lines = try client.post("/v1/sessions/streamed/generate", #"{"max_tokens":2,"stream":true}"#)
        #expect(!lines.text.contains("\n\n") && lines.text.split(separator: "\n").count == 3)
        let binary =
            #"{"inputs":[{"name":"tokens","datatype":"INT64","shape":[1,1],"data":[1]}],"outputs":[{"name":"logits","parameters":{"binary_data":true}}]}"#
        let tensors = try client.post("/v2/models/letters/infer", binary)
        let json = try #require(tensors.headers["inference-header-content-length"].flatMap { Int($0) })
        #expect(
            tensors.body.count == json + 4 * LiveModels.characters.count && tensors.body[json - 1] == UInt8(ascii: "}"))
    }
}
