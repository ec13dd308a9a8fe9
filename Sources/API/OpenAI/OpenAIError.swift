import HTTP
import JSON

/// A problem as OpenAI's clients know errors: `{"error": {"message", "type", "param", "code"}}`.
struct OpenAIError {
    /// With the object as a member, and the status by which those clients choose their exceptions: what they call a bad
    /// request is 400, where other routes have 422.
    private(set) var problem: Problem

    init(_ problem: Problem) {
        self.problem = problem
        if problem.status == .unprocessableContent { self.problem.status = .badRequest }
        self.problem.members.append(("error", .json(Self.object(self.problem))))
    }

    /// The object alone, for an error within a stream.
    var json: JSONWriter {
        var json = JSONWriter()
        json.beginObject()
        json.key("error")
        json.raw(Self.object(problem).bytes)
        json.endObject()
        return json
    }

    private static func object(_ problem: Problem) -> JSONWriter {
        var json = JSONWriter()
        json.beginObject()
        json.field("message", problem.detail)
        json.field("type", type(problem.status))
        if let parameter = problem.parameter { json.field("param", parameter) } else { json.fieldNull("param") }
        json.field("code", problem.slug.split(separator: "-").joined(separator: "_"))
        json.endObject()
        return json
    }

    private static func type(_ status: HTTPStatus) -> String {
        switch status.code {
        case 429: "rate_limit_error"
        case 500...: "server_error"
        default: "invalid_request_error"
        }
    }
}
