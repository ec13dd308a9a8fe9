import HTTP
import JSON

/// A problem as clients of the Open Inference Protocol know errors: `{"error": "…"}`.
struct OpenInferenceError {
    private let problem: Problem

    init(_ problem: Problem) { self.problem = problem }

    /// What other routes refuse with 422 is a bad request here.
    var response: Response {
        let status = problem.status == .unprocessableContent ? HTTPStatus.badRequest : problem.status
        var response = Response(status, json: json)
        for (name, value) in problem.fields.pairs { response.fields.append(name, value) }
        return response
    }

    var json: JSONWriter {
        var json = JSONWriter()
        json.beginObject()
        json.field("error", problem.detail)
        json.endObject()
        return json
    }
}
