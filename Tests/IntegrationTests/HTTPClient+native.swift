import JSON
import Testing

extension HTTPClient {
    func get(_ path: String) throws -> HTTPReply { try request("GET", path) }

    func post(_ path: String, _ json: String, headers: [(String, String)] = []) throws -> HTTPReply {
        try request("POST", path, json: json, headers: headers)
    }

    /// Makes the session `id` of `model`; `more` are further members, with a leading comma.
    @discardableResult
    func create(_ id: String, of model: String, _ more: String = "") throws -> HTTPReply {
        let reply = try post("/v1/sessions", "{\"model\":\"\(model)\",\"id\":\"\(id)\"\(more)}")
        try #require(reply.status == 201, "\(reply.text)")
        return reply
    }

    /// Posts to a session's `operation` and requires success.
    func act(_ operation: String, on id: String, _ members: String) throws -> HTTPReply {
        let reply = try post("/v1/sessions/\(id)/\(operation)", "{\(members)}")
        try #require(reply.status == 200, "\(reply.text)")
        return reply
    }

    /// Where the session stands.
    func step(of id: String) throws -> Int {
        let reply = try get("/v1/sessions/\(id)")
        return try #require(try reply.json["step"]?.int, "\(reply.text)")
    }
}

extension HTTPReply {
    /// The member `name` as it stands in the body.
    func raw(_ name: String) throws -> String { try #require(RawJSON.member(name, of: text), "\(text)") }

    func int(_ name: String) throws -> Int { try #require(try json[name]?.int, "\(text)") }
    func string(_ name: String) throws -> String { try #require(try json[name]?.string, "\(text)") }
    func ints(_ name: String) throws -> [Int] { try #require(try json[name]?.ints(), "\(text)") }

    /// The reply must be a problem of RFC 9457 with this status and type, whose detail has `mentioned` in it.
    func expectProblem(
        _ status: Int, _ slug: String, mentioning mentioned: String = "", _ location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(self.status == status, "\(text)", sourceLocation: location)
        #expect(headers["content-type"] == "application/problem+json", sourceLocation: location)
        #expect(headers["x-request-id"]?.isEmpty == false, sourceLocation: location)
        let problem = try json
        #expect(problem["type"]?.string == "urn:scanstep:" + slug, "\(text)", sourceLocation: location)
        #expect(problem["title"]?.string?.isEmpty == false, "\(text)", sourceLocation: location)
        #expect(problem["status"]?.int == status, "\(text)", sourceLocation: location)
        let detail = try #require(problem["detail"]?.string, "\(text)", sourceLocation: location)
        #expect(
            !detail.isEmpty && (mentioned.isEmpty || detail.contains(mentioned)), "\(text)", sourceLocation: location)
    }
}
