import JSON
import TestSupport
import Testing

@Suite("Paths of other servers' APIs", .server(LiveModels.letters))
struct ForeignPathTests {
    @Test(
        "Ollama's say what is there instead, as its clients read errors",
        arguments: [
            ("POST", "/api/generate", "/v1/completions"), ("POST", "/api/chat", "/v1/completions"),
            ("GET", "/api/tags", "/v1/models"), ("GET", "/api/ps", "/v1/models"), ("POST", "/api/show", "/v1/models"),
            ("POST", "/api/embeddings", "/state"), ("POST", "/api/embed", "/state"),
            ("GET", "/api/version", "/openapi.yaml"), ("POST", "/api/pull", "/openapi.yaml"),
        ])
    func ollama(method: String, path: String, instead: String) throws {
        let reply = try LiveServer.client().request(method, path, json: "{}")
        #expect(reply.status == 404 && reply.headers["content-type"] == "application/json", "\(reply.text)")
        #expect(try reply.string("error").contains(instead), "\(reply.text)")
    }

    @Test(
        "Anthropic's too",
        arguments: ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages?beta=true", "/v1/complete"])
    func anthropic(path: String) throws {
        let reply = try LiveServer.client().post(path, "{}", headers: [("X-Request-Id", "mine.2")])
        #expect(reply.status == 404 && reply.headers["content-type"] == "application/json", "\(reply.text)")
        #expect(try reply.string("type") == "error" && reply.string("request_id") == "mine.2")
        let error = try #require(try reply.json["error"])
        #expect(error["type"]?.string == "not_found_error")
        #expect(error["message"]?.string?.contains("/v1/completions") == true)
    }

    @Test(
        "and those of OpenAI's API that are not served",
        arguments: [
            ("/v1/chat/completions", "/v1/completions"), ("/v1/responses", "/v1/completions"),
            ("/v1/responses/resp_1", "/v1/completions"), ("/v1/embeddings", "/state"),
            ("/v1/moderations", "/openapi.yaml"), ("/v1/images/generations", "/openapi.yaml"),
            ("/v1/files/file-1", "/openapi.yaml"), ("/v1/audio/speech", "/openapi.yaml"),
            ("/completions", "base URL"), ("/chat/completions", "base URL"), ("/models", "base URL"),
        ])
    func openAI(path: String, instead: String) throws {
        for method in ["POST", "GET"] {
            let reply = try LiveServer.client().request(method, path, json: "{}")
            try reply.expectProblem(404, "not-found", mentioning: instead)
            let error = try #require(try reply.json["error"])
            #expect(error["code"]?.string == "not_found" && error["type"]?.string == "invalid_request_error")
            #expect(error["message"]?.string?.contains(instead) == true)
        }
    }

    @Test(
        "what is nobody's is not found as before, and is no route",
        arguments: ["/api", "/api/", "/api/other", "/v1/message", "/v1/messagesx", "/v1/embeddingsx", "/v1/filesx"])
    func nobodys(path: String) throws {
        let reply = try LiveServer.client().post(path, "{}")
        try reply.expectProblem(404, "not-found")
        #expect(try reply.json["error"] == nil)
    }
}
