import HTTP
import Inference
import JSON
import Recurrent
import Sessions

extension Service {
    /// `POST /v1/sessions/{id}/checkpoints`: names the state at which the session stands.
    @Sendable func makeCheckpoint(_ request: Request) async throws -> Response {
        let body = try await request.body()
        let fields = try Fields(bytes: body, allowed: ["name", "expected_step"])
        let name = try fields.string("name")
        if let name { try checkSessionID(name, "name") }
        return try await act(.checkpoint(name: name), fields, body, request) { completion in
            var json = JSONWriter()
            Self.write(completion.checkpoints[0], to: &json)
            return Response(.created, json: json)
        }
    }

    /// `GET /v1/sessions/{id}/checkpoints`: the states to which it can be rewound, in order of time.
    @Sendable func listCheckpoints(_ request: Request) async throws -> Response {
        let work = try action(.listCheckpoints, nil, request)
        let checkpoints = try await run(work).checkpoints
        var json = JSONWriter()
        json.beginObject()
        json.list(checkpoints) { checkpoint, json in Self.write(checkpoint, to: &json) }
        json.endObject()
        return Response(json: json)
    }

    /// `DELETE /v1/sessions/{id}/checkpoints/{name}`
    @Sendable func deleteCheckpoint(_ request: Request) async throws -> Response {
        _ = try await run(try action(.deleteCheckpoint(name: request.parameters["name"]), nil, request))
        return Response(.noContent)
    }

    /// `POST /v1/sessions/{id}/rewind`: lets the session stand where it once stood.
    @Sendable func rewind(_ request: Request) async throws -> Response {
        let body = try await request.body()
        let fields = try Fields(bytes: body, allowed: ["to_step", "checkpoint", "expected_step"])
        let target: RewindTarget
        switch (try fields.int("to_step", in: 0...Int.max), try fields.string("checkpoint")) {
        case (let step?, nil): target = .step(step)
        case (nil, let name?): target = .checkpoint(name)
        default: throw Problem.invalid("Give one of to_step and checkpoint.")
        }
        return try await act(.rewind(target), fields, body, request) { completion in
            var json = JSONWriter()
            Self.write(completion.session!, to: &json)
            return Response(json: json)
        }
    }

    /// Does something with the session of the request in its turn among what else is asked of it, and once if the request
    /// has an `Idempotency-Key`.
    func act(
        _ action: Work.Action, _ fields: Fields, _ body: [UInt8], _ request: Request,
        _ reply: @escaping @Sendable (Completion) -> Response
    ) async throws(Problem) -> Response {
        var work = try self.action(action, fields, request)
        work.idempotency = try idempotency(of: request, body, reply: reply)
        return try Response(try await run(work), or: reply)
    }

    private func action(_ action: Work.Action, _ fields: Fields?, _ request: Request) throws(Problem) -> Work {
        let (record, served) = try session(request.parameters["id"], request)
        var work = request.work(served, .session(record.id))
        (work.serial, work.outputs, work.action) = (record.serial, .none, action)
        work.expectedStep = try fields?.expectedStep()
        work.deadline = try deadline(of: request)
        return work
    }

    private static func write(_ checkpoint: Checkpoint, to json: inout JSONWriter) {
        json.beginObject()
        json.key("name")
        if let name = checkpoint.name { json.string(name) } else { json.null() }
        json.field("step", checkpoint.step)
        json.field("created_at", timestamp(checkpoint.createdAt))
        json.endObject()
    }
}
