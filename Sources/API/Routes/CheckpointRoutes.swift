import HTTP
import Inference
import JSON
import Recurrent
import Sessions

extension Service {
    /// `POST /v1/sessions/{id}/checkpoints`: names the state at which the session stands.
    @Sendable func makeCheckpoint(_ request: Request) async throws -> Response {
        let fields = try await Fields(body: request, allowed: ["name", "expected_step"])
        let name = try fields.string("name")
        if let name { try checkSessionID(name, "name") }
        let completion = try await act(.checkpoint(name: name), fields, request)
        var json = JSONWriter()
        Self.write(completion.checkpoints[0], to: &json)
        return Response(.created, json: json)
    }

    /// `GET /v1/sessions/{id}/checkpoints`: the states to which it can be rewound, in order of time.
    @Sendable func listCheckpoints(_ request: Request) async throws -> Response {
        let checkpoints = try await act(.listCheckpoints, nil, request).checkpoints
        var json = JSONWriter()
        json.beginObject()
        json.list(checkpoints) { checkpoint, json in Self.write(checkpoint, to: &json) }
        json.endObject()
        return Response(json: json)
    }

    /// `DELETE /v1/sessions/{id}/checkpoints/{name}`
    @Sendable func deleteCheckpoint(_ request: Request) async throws -> Response {
        _ = try await act(.deleteCheckpoint(name: request.parameters["name"]), nil, request)
        return Response(.noContent)
    }

    /// `POST /v1/sessions/{id}/rewind`: lets the session stand where it once stood.
    @Sendable func rewind(_ request: Request) async throws -> Response {
        let fields = try await Fields(body: request, allowed: ["to_step", "checkpoint", "expected_step"])
        let target: RewindTarget
        switch (try fields.int("to_step", in: 0...Int.max), try fields.string("checkpoint")) {
        case (let step?, nil): target = .step(step)
        case (nil, let name?): target = .checkpoint(name)
        default: throw Problem.invalid("Give one of to_step and checkpoint.")
        }
        let completion = try await act(.rewind(target), fields, request)
        var json = JSONWriter()
        Self.write(completion.session!, to: &json)
        return Response(json: json)
    }

    /// Does something with the session of the request in its turn among what else is asked of it.
    func act(_ action: Work.Action, _ fields: Fields?, _ request: Request) async throws(Problem) -> Completion {
        let (record, served) = try session(request.parameters["id"], request)
        var work = request.work(served, .session(record.id))
        (work.serial, work.outputs, work.action) = (record.serial, .none, action)
        work.expectedStep = try fields?.expectedStep()
        work.deadline = try deadline(of: request)
        return try await run(work)
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
