import HTTP
import JSON

/// A refusal in the shape of RFC 9457: `application/problem+json`.
public struct Problem: RespondingError, Sendable {
    /// A member beside the standard ones, for programs.
    public enum Member: Sendable {
        case int(Int)
        case string(String)
        case json(JSONWriter)
    }

    public var status: HTTPStatus
    /// The type is `urn:scanstep:` and this.
    public var slug: String
    public var detail: String
    public var members: [(name: String, value: Member)] = []
    /// The field of the body that is wrong, where it is one.
    var parameter: String?
    public var fields = HeaderFields()

    public init(_ status: HTTPStatus, _ slug: String, _ detail: String) {
        (self.status, self.slug, self.detail) = (status, slug, detail)
    }

    init(_ error: HTTPError) {
        self.init(error.status, error.slug, error.detail)
        fields = error.fields
        if let limit = error.limit { members.append(("limit", .int(limit))) }
    }

    /// JSON that the route refuses.
    static func invalid(_ detail: String, _ parameter: String? = nil) -> Problem {
        var problem = Problem(.unprocessableContent, "invalid-input", detail)
        problem.parameter = parameter
        return problem
    }

    func with(_ name: String, _ value: Int) -> Problem {
        var problem = self
        problem.members.append((name, .int(value)))
        return problem
    }

    func with(_ name: String, _ value: String) -> Problem {
        var problem = self
        problem.members.append((name, .string(value)))
        return problem
    }

    /// The slug as a sentence: `step-mismatch` is "Step mismatch".
    private var title: String {
        let words = slug.split(separator: "-").joined(separator: " ")
        return words.prefix(1).uppercased() + words.dropFirst()
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.field("type", "urn:scanstep:" + slug)
        json.field("title", title)
        json.field("status", status.code)
        json.field("detail", detail)
        for (name, value) in members {
            switch value {
            case .int(let number): json.field(name, number)
            case .string(let text): json.field(name, text)
            case .json(let value):
                json.key(name)
                json.raw(value.bytes)
            }
        }
        json.endObject()
    }

    /// The object `{"error": …}` that stands for a result among others.
    var asMember: JSONWriter {
        var json = JSONWriter()
        json.beginObject()
        json.key("error")
        write(to: &json)
        json.endObject()
        return json
    }

    public var response: Response {
        var json = JSONWriter()
        write(to: &json)
        var response = Response(status, type: "application/problem+json", json.document())
        for (name, value) in fields.pairs { response.fields.append(name, value) }
        return response
    }
}
