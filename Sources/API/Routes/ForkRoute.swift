import HTTP
import Inference
import JSON
import Sessions

extension Service {
    /// `POST /v1/sessions/{id}/fork`: makes sessions that stand where this one stands.
    @Sendable func fork(_ request: Request) async throws -> Response {
        let body = try await request.body()
        let fields = try Fields(bytes: body, allowed: ["count", "ids", "expected_step"])
        let names = try names(fields)
        if names.count > Self.mostKeptForks {
            try request.refuseKey("the reply of \(Self.mostKeptForks) forks at most is kept.")
        }
        return try await act(.fork(into: names.map { $0.map(request.scoped) }), fields, body, request) { completion in
            var json = JSONWriter(capacity: 1024)
            json.beginObject()
            json.key("sessions")
            json.beginArray()
            for record in completion.forks { Self.write(record, to: &json) }
            json.endArray()
            json.endObject()
            return Response(.created, json: json)
        }
    }

    /// Forks of one request with an `Idempotency-Key`, whose reply so stays within what is kept.
    private static let mostKeptForks = 1024

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
