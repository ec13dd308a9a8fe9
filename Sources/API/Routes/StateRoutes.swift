import HTTP
import Inference
import JSON
import Recurrent
import Sessions

extension Service {
    /// `GET /v1/sessions/{id}/state`: the state as a file.
    @Sendable func getState(_ request: Request) async throws -> Response {
        let (record, served) = try session(request.parameters["id"], request)
        var work = request.work(served, .session(record.id))
        work.serial = record.serial
        work.outputs = .none
        work.wantsState = true
        work.deadline = try deadline(of: request)
        let completion = try await run(work)
        let file = StateFile.encode(completion.state!, step: completion.step, of: served.model, called: served.id)
        var fields: HeaderFields = ["etag": "\"\(file.digest)\""]
        switch try request.entityTags("if-none-match") {
        case .any?: return Response(.notModified, fields: fields)
        case .tags(let tags)? where tags.contains(file.digest): return Response(.notModified, fields: fields)
        case .tags?, nil: break
        }
        fields["content-type"] = "application/octet-stream"
        fields["cache-control"] = "no-store"
        return Response(fields: fields, body: .bytes(file.bytes))
    }

    /// `PUT /v1/sessions/{id}/state`: makes the session stand where a file stands, and makes it if there is none.
    @Sendable func putState(_ request: Request) async throws -> Response {
        let id = request.parameters["id"]
        try checkSessionID(id, "The session's id")
        let body = try await request.body()
        let scoped = request.scoped(id)
        let replaces = try request.replaces()
        let record = try? sessions.record(scoped)
        let present = models.first { $0.id == record?.model && request.maySee($0) }
        let kept = replaces ? nil : record.map { KeptModel(session: id, model: $0.model) }
        let (served, state) = try suppliedState(body, request, at: "The body", startOf: present, keeping: kept)
        try kept?.expect(served.id)
        var work = request.work(served, .put(scoped))
        work.supplied = state
        work.wantsState = true
        work.policy = policy
        work.condition = try condition(request)
        work.replaces = replaces
        guard !replaces || work.condition == nil else {
            throw Problem.invalid("Give replace or one of If-Match and If-None-Match, not both.")
        }
        if replaces { try request.refuseKey("sent again, it would replace what has moved since.") }
        work.deadline = try deadline(of: request)
        let reply = { @Sendable (completion: Completion) in
            var json = JSONWriter()
            Self.write(completion.session!, to: &json)
            var response = Response(completion.isNew ? .created : .ok, json: json)
            if completion.isNew { response.fields["location"] = "/v1/sessions/" + id }
            let digest = StateFile.digest(completion.state!, step: completion.step, of: served.model, called: served.id)
            response.fields["etag"] = "\"\(digest)\""
            return response
        }
        work.idempotency = try idempotency(of: request, body, reply: reply)
        return try Response(try await run(work), or: reply)
    }

    private func condition(_ request: Request) throws(Problem) -> Work.Condition? {
        let (match, noneMatch) = (try request.entityTags("if-match"), try request.entityTags("if-none-match"))
        switch (match, noneMatch) {
        case (nil, nil): return nil
        case (.any?, nil): return .present
        case (.tags(let tags)?, nil): return .digest(tags)
        case (nil, .any?): return .absent
        case (nil, .tags?): throw .invalid("If-None-Match of a PUT must be *.")
        case (_?, _?): throw .invalid("Give If-Match or If-None-Match, not both.")
        }
    }
}

/// What `If-Match` and `If-None-Match` may say (RFC 9110 §13.1).
private enum EntityTags {
    case any
    /// What stands between the quotation marks.
    case tags(Set<String>)
}

extension Request {
    /// Whether the query says `replace=true`.
    fileprivate func replaces() throws(Problem) -> Bool {
        switch head.query("replace") {
        case nil, "false"?: return false
        case "true"?: return true
        default: throw .invalid("replace must be true or false.")
        }
    }

    fileprivate func entityTags(_ name: String) throws(Problem) -> EntityTags? {
        guard head.fields.contains(name) else { return nil }
        var tags: Set<String> = []
        for item in head.fields.values(of: name).joined(separator: ",").split(separator: ",") {
            var tag = item.drop(while: \.isWhitespace)
            while tag.last?.isWhitespace ?? false { tag.removeLast() }
            if tag == "*" { return .any }
            // Weakly they compare the same: one state has one representation.
            if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
            guard tag.count >= 2, tag.first == "\"", tag.last == "\"" else {
                throw .invalid("\(name) must be * or a list of entity tags in quotation marks.")
            }
            tags.insert(String(tag.dropFirst().dropLast()))
        }
        return .tags(tags)
    }
}
