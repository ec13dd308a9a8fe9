import Testing

/// A request that must be refused, and how. `{letters}` and `{vectors}` in path and body stand for fresh sessions of
/// those models, each of which has absorbed two steps.
struct BadRequest: Sendable, CustomTestStringConvertible {
    let method: String
    let path: String
    let body: String
    let status: Int
    let slug: String
    let mentioned: String

    init(
        _ path: String, _ body: String, _ status: Int = 422, _ slug: String = "invalid-input", _ mentioned: String = "",
        method: String = "POST"
    ) {
        (self.method, self.path, self.body) = (method, path, body)
        (self.status, self.slug, self.mentioned) = (status, slug, mentioned)
    }

    var testDescription: String { "\(method) \(path) \(body.prefix(100))" }

    /// Sends it and checks the refusal, that the server lives on and that the sessions have not moved.
    func check() throws {
        let client = try LiveServer.client()
        let letters = try client.post("/v1/sessions", #"{"model":"letters","tokens":[1,2]}"#)
        let vectors = try client.post("/v1/sessions", #"{"model":"vectors","vectors":[[1,2,3],[4,5,6]]}"#)
        let ids = try [letters.string("id"), vectors.string("id")]
        func filled(_ text: String) -> String {
            text.replacing("{letters}", with: ids[0]).replacing("{vectors}", with: ids[1])
        }
        let reply = try client.request(method, filled(path), json: filled(body))
        try reply.expectProblem(status, slug, mentioning: mentioned)
        #expect(try ids.map { try client.step(of: $0) } == [2, 2])
        #expect(try client.get("/livez").status == 200)
    }
}
