import HTTP
import Inference
import JSON
import Sessions

extension Service {
    /// `POST /v1/sessions/{id}/fork`: makes sessions that stand where this one stands.
    @Sendable func fork(_ request: Request) async throws -> Response {
        let fields = try await Fields(body: request, allowed: ["count", "ids", "expected_step"])
        let completion = try await act(.fork(into: try names(fields).map { $0.map(request.scoped) }), fields, request)
        var json = JSONWriter(capacity: 1024)
        json.beginObject()
        json.key("sessions")
        json.beginArray()
        for record in completion.forks { Self.write(record, to: &json) }
        json.endArray()
        json.endObject()
        return Response(.created, json: json)
    }

    private func names(_ fields: Fields) throws(Problem) -> [String?] {
        let count = try fields.int("count", in: 1...Self.batchLimit)
        guard fields["ids"] != nil else { return [String?](repeating: nil, count: count ?? 1) }
        guard count == nil else { throw .invalid("Give count or ids, not both.") }
        var ids: [String] = []
        for (index, element) in try fields.array("ids", limit: Self.batchLimit).enumerated() {
            guard let id = element.string else { throw .invalid("ids[\(index)] must be a string.") }
            try checkSessionID(id, "ids[\(index)]")
            ids.append(id)
        }
        guard Set(ids).count == ids.count else { throw .invalid("ids has a name twice.") }
        return ids
    }
}
