import TestSupport
import Testing

@Suite(
    "Bad options, unknown names and limits of the routes", .server(LiveModels.both, arguments: ["--max-body", "1MiB"]))
struct BadOptionTests {
    static let prefills: [BadRequest] =
        [
            (#""return":"some""#, "return"), (#""return":1"#, "return"), (#""logits":"yes""#, "logits"),
            (#""top_logprobs":1.5"#, "top_logprobs"), (#""scan":"fast""#, "scan"), (#""scan":true"#, "scan"),
            (#""score":1"#, "score"),
        ].flatMap { option, word in
            [
                BadRequest("/v1/sessions/{letters}/prefill", "{\"tokens\":[1],\(option)}", 422, "invalid-input", word),
                BadRequest(
                    "/v1/prefill",
                    "{\"model\":\"letters\",\"sequences\":[{\"tokens\":[1],\"session\":\"{letters}\"}],\(option)}", 422,
                    "invalid-input", word),
            ]
        } + [
            BadRequest("/v1/prefill", #"{"model":"letters"}"#, 422, "invalid-input", "sequences"),
            BadRequest("/v1/prefill", #"{"model":"letters","sequences":[]}"#, 422, "invalid-input", "sequences"),
            BadRequest("/v1/prefill", #"{"model":"letters","sequences":{}}"#, 422, "invalid-input", "sequences"),
            BadRequest("/v1/prefill", #"{"model":"letters","sequences":[1]}"#, 422, "invalid-input", "sequences[0]"),
            BadRequest("/v1/prefill", #"{"model":"letters","sequences":[{}]}"#, 422, "invalid-input", "sequences[0]"),
            BadRequest(
                "/v1/prefill", #"{"model":"letters","sequences":[{"tokens":[1]},{"tokens":[1],"tone":2}]}"#, 422,
                "invalid-input", "sequences[1].tone"),
            BadRequest(
                "/v1/prefill", #"{"model":"letters","sequences":[{"tokens":[1],"session":"{letters}","create":true}]}"#,
                422, "invalid-input", "not both"),
            BadRequest(
                "/v1/prefill", #"{"model":"letters","sequences":[{"vectors":[[1,2,3]],"session":"{vectors}"}]}"#, 422),
            BadRequest(
                "/v1/prefill", #"{"model":"letters","sequences":[{"tokens":[1],"session":"{vectors}"}]}"#, 422,
                "invalid-input", "vectors"),
            BadRequest("/v1/prefill", #"{"model":"letters","sequences":[{"tokens":[1],"create":1}]}"#),
            BadRequest("/v1/prefill", #"{"model":"vectors","sequences":[{"vectors":[[1,2,3]]}],"score":true}"#),
            BadRequest("/v1/step", "{}", 422, "invalid-input", "steps"),
            BadRequest("/v1/step", #"{"steps":[]}"#, 422, "invalid-input", "steps"),
            BadRequest("/v1/step", #"{"steps":[{"token":1}]}"#, 422, "invalid-input", "steps[0].session"),
            BadRequest("/v1/step", #"{"steps":[{"session":"{letters}","token":1},{"session":1}]}"#),
            BadRequest(
                "/v1/step", #"{"steps":[{"session":"{letters}","token":1},7]}"#, 422, "invalid-input", "steps[1]"),
        ]

    @Test("options of absorbing are checked", arguments: prefills)
    func prefill(request: BadRequest) throws { try request.check() }

    static let generations: [BadRequest] = [
        #""max_tokens":0"#, #""max_tokens":-1"#, #""max_tokens":100001"#, #""max_tokens":1.5"#, #""max_tokens":"1""#,
        #""temperature":-0.1"#, #""temperature":101"#, #""temperature":1e39"#, #""temperature":"hot""#, #""top_k":-1"#,
        #""top_k":1.5"#, #""top_p":-0.1"#, #""top_p":1.1"#, #""top_p":true"#, #""seed":-1"#, #""seed":1.5"#,
        #""seed":18446744073709551615"#, #""stop":1"#, #""stop":"""#, #""stop":[1]"#, #""stop":["a",""]"#,
        #""stop":{}"#,
        "\"stop\":[\([String](repeating: "\"a\"", count: 17).joined(separator: ","))]",
        "\"stop\":\"\(String(repeating: "a", count: 1025))\"", #""stream":1"#, #""stream":"true""#,
        #""expected_step":-1"#, #""logits":true"#,
    ].map { option in
        let name = String(option.dropFirst().prefix { $0 != "\"" })
        return BadRequest("/v1/sessions/{letters}/generate", "{\(option)}", 422, "invalid-input", name)
    }

    @Test("options of generating are checked", arguments: generations)
    func generation(request: BadRequest) throws { try request.check() }

    static let unknown = [
        BadRequest(
            "/v1/prefill", #"{"model":"nothing","sequences":[{"tokens":[1]}]}"#, 404, "model-not-found", "nothing"),
        BadRequest("/v1/sessions", #"{"model":"nothing"}"#, 404, "model-not-found", "letters"),
        BadRequest("/v1/sessions", "{}", 422, "invalid-input", "model"),
        BadRequest("/v1/sessions", #"{"model":1}"#, 422, "invalid-input", "model"),
        BadRequest("/v1/sessions", #"{"model":"letters","id":7}"#, 422, "invalid-input", "id"),
        BadRequest("/v1/models/nothing", "", 404, "model-not-found", "nothing", method: "GET"),
        BadRequest("/v1/sessions/nobody/step", #"{"token":1}"#, 404, "session-not-found", "nobody"),
        BadRequest("/v1/nothing", "{}", 404, "not-found"), BadRequest("/", "", 404, "not-found", method: "GET"),
        BadRequest("/v1/sessions/{letters}/", "{}", 404, "not-found"),
        BadRequest("/v1/sessions//step", "{}", 404, "not-found"),
        BadRequest("/v1/sessions/{letters}/fly", "{}", 404, "not-found"),
    ]

    @Test("unknown models, sessions and paths are 404", arguments: unknown)
    func names(request: BadRequest) throws { try request.check() }

    @Test(
        "a known method that a path does not have is 405 with those it has",
        arguments: [
            ("PUT", "/v1/sessions", "GET, HEAD, OPTIONS, POST"), ("DELETE", "/v1/models", "GET, HEAD, OPTIONS"),
            ("GET", "/v1/prefill", "OPTIONS, POST"), ("PATCH", "/v1/sessions/a", "DELETE, GET, HEAD, OPTIONS"),
            ("GET", "/v1/sessions/a/step", "OPTIONS, POST"), ("POST", "/livez", "GET, HEAD, OPTIONS"),
        ])
    func methods(method: String, path: String, allowed: String) throws {
        let reply = try LiveServer.client().request(method, path)
        try reply.expectProblem(405, "method-not-allowed", mentioning: method)
        #expect(reply.headers["allow"] == allowed)
        let options = try LiveServer.client().request("OPTIONS", path)
        #expect(options.status == 204 && options.headers["allow"] == allowed)
    }

    @Test("a reply may hold only so many values, and says how many steps that is") func replyLimit() throws {
        let client = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
        func prefill(_ count: Int) throws -> HTTPReply {
            let tokens = [String](repeating: "1", count: count).joined(separator: ",")
            return try client.post("/v1/sessions/\(id)/prefill", "{\"tokens\":[\(tokens)],\"return\":\"all\"}")
        }
        let limit = try prefill(400_000).int("limit")
        let reply = try prefill(limit + 1)
        try reply.expectProblem(422, "reply-too-large", mentioning: "\(limit)")
        #expect(try client.step(of: id) == 0)
        #expect(try RawJSON.elements(prefill(limit).raw("outputs")).count == limit)
        #expect(try client.step(of: id) == limit)
    }
}
