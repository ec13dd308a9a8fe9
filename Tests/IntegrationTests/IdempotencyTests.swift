import JSON
import TestSupport
import Testing

@Suite("Requests that come again", .server(LiveModels.both))
struct IdempotencyTests {
    private func post(_ client: HTTPClient, _ path: String, _ json: String, key: String) throws -> HTTPReply {
        try client.post(path, json, headers: [("Idempotency-Key", key)])
    }

    @Test(
        "with a key they move the session once and get the same bytes twice",
        arguments: [
            ("step", #"{"token":3,"logits":true}"#, 1), ("prefill", #"{"tokens":[3,4,5],"return":"all"}"#, 3),
            ("generate", #"{"tokens":[3],"max_tokens":6,"temperature":1.1}"#, 7),
        ])
    func once(operation: String, body: String, steps: Int) throws {
        let client = try LiveServer.client()
        let id = "once-\(operation)"
        try client.create(id, of: "letters", #","tokens":[1,2]"#)
        let path = "/v1/sessions/\(id)/\(operation)"
        let first = try post(client, path, body, key: "k-1")
        #expect(first.status == 200 && first.headers["idempotent-replayed"] == nil)
        for _ in 0..<3 {
            let again = try post(client, path, body, key: "k-1")
            #expect(again.status == 200 && again.body == first.body)
            #expect(again.headers["idempotent-replayed"] == "true")
            #expect(again.headers["content-type"] == first.headers["content-type"])
        }
        #expect(try client.step(of: id) == 2 + steps)
        #expect(try post(client, path, body, key: "k-2").int("step") == 2 + 2 * steps)
        // Not even an expected step that is right no more.
        #expect(try post(client, path, body, key: "k-1").body == first.body)
    }

    @Test("of many that come at once one moves the session and all get its reply") func atOnce() throws {
        let client = try LiveServer.client()
        try client.create("crowd", of: "vectors")
        let request = HTTPRequest(
            "POST", "/v1/sessions/crowd/step", json: #"{"vector":[1,2,3],"expected_step":0}"#,
            headers: [("Idempotency-Key", "the-one")])
        let replies = try client.performAtOnce([HTTPRequest](repeating: request, count: 20))
        #expect(replies.allSatisfy { $0.status == 200 && $0.body == replies[0].body })
        #expect(replies.count { $0.headers["idempotent-replayed"] == nil } == 1)
        #expect(try client.step(of: "crowd") == 1)
    }

    @Test("a key is of one session, of one request, and of those that moved it") func scope() throws {
        let client = try LiveServer.client()
        for id in ["scope-a", "scope-b"] { try client.create(id, of: "letters") }
        let (a, b) = ("/v1/sessions/scope-a/", "/v1/sessions/scope-b/")
        #expect(try post(client, a + "step", #"{"token":1}"#, key: "k").int("step") == 1)
        #expect(try post(client, b + "step", #"{"token":2}"#, key: "k").int("step") == 1)
        try post(client, a + "step", #"{"token":2}"#, key: "k").expectProblem(422, "idempotency-key-reused")
        try post(client, a + "prefill", #"{"token":1}"#, key: "k").expectProblem(422, "invalid-input")
        try post(client, a + "step", #"{"token":1,"expected_step":7}"#, key: "m").expectProblem(412, "step-mismatch")
        #expect(try post(client, a + "step", #"{"token":1,"expected_step":1}"#, key: "m").int("step") == 2)
        #expect(try client.step(of: "scope-a") == 2 && client.step(of: "scope-b") == 1)
        // Eight are kept.
        for index in 0..<8 { _ = try post(client, a + "step", #"{"token":1}"#, key: "n\(index)") }
        #expect(try post(client, a + "step", #"{"token":1}"#, key: "k").int("step") == 11)
        // A new session of the name knows nothing of them.
        _ = try client.request("DELETE", "/v1/sessions/scope-a")
        try client.create("scope-a", of: "letters")
        #expect(try post(client, a + "step", #"{"token":1}"#, key: "k").int("step") == 1)
    }

    @Test("keys that are none, and routes that cannot promise it, are refused") func refusals() throws {
        let client = try LiveServer.client()
        try client.create("r", of: "letters")
        for key in ["a b", "é", String(repeating: "k", count: 256)] {
            try post(client, "/v1/sessions/r/step", #"{"token":1}"#, key: key)
                .expectProblem(422, "invalid-input", mentioning: "Idempotency-Key")
        }
        try client.post(
            "/v1/sessions/r/step", #"{"token":1}"#, headers: [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        ).expectProblem(422, "invalid-input", mentioning: "one Idempotency-Key")
        #expect(try client.get("/v1/sessions/r").int("step") == 0)
        try post(client, "/v1/step", #"{"steps":[{"session":"r","token":1}]}"#, key: "k")
            .expectProblem(422, "invalid-input", mentioning: "Idempotency-Key")
        try post(client, "/v1/prefill", #"{"model":"letters","sequences":[{"tokens":[1]}]}"#, key: "k")
            .expectProblem(422, "invalid-input", mentioning: "Idempotency-Key")
        try post(client, "/v1/sessions/r/generate", #"{"tokens":[1],"stream":true}"#, key: "k")
            .expectProblem(422, "invalid-input", mentioning: "stream")
        let tokens = [Int](repeating: 1, count: 10_000)
        try post(
            client, "/v1/sessions/r/prefill", "{\"tokens\":\(tokens),\"return\":\"all\",\"logits\":true}", key: "k"
        )
        .expectProblem(422, "reply-too-large", mentioning: "Idempotency-Key")
        #expect(try client.step(of: "r") == 0)
    }
}
