import HTTP
import Inference
import JSON
import Recurrent
import Sessions

extension Service {
    /// `POST /v1/sessions/{id}/step`: absorbs one input.
    @Sendable func stepSession(_ request: Request) async throws -> Response {
        let body = try await request.body()
        var step = try stepWork(body, request)
        let reply = { @Sendable [step] (completion: Completion) in
            var json = JSONWriter()
            Self.write(completion, step, to: &json)
            return Response(json: json)
        }
        step.work.idempotency = try idempotency(of: request, body, reply: reply)
        return try Response(try await run(step.work), or: reply)
    }

    /// `POST /v1/step`: one input for each of many sessions and supplied states, which share a batch.
    @Sendable func step(_ request: Request) async throws -> Response {
        let fields = try await Fields(body: request, allowed: ["steps"])
        let known = Self.stepFields + ["session", "state", "return_state"]
        let deadline = try deadline(of: request)
        var steps: [Result<StepWork, Problem>] = []
        var sessions: [String?] = []
        for (index, element) in try fields.array("steps", limit: Self.batchLimit).enumerated() {
            let item = try Fields(element, at: "steps[\(index)].", allowed: known)
            let id = try item.string("session")
            guard (id == nil) != (item["state"] == nil) else {
                throw Problem.invalid("Give one of \(item.place)session and \(item.place)state.")
            }
            sessions.append(id)
            steps.append(
                Result { () throws(Problem) in
                    if let id { return try stepWork(item, id, request, deadline) }
                    let (served, state) = try suppliedState(item.stateFile()!, request, at: item.place + "state")
                    var step = try stepWork(item, request.work(served, .detached), served)
                    (step.work.supplied, step.work.deadline) = (state, deadline)
                    return step
                })
        }
        let valid = steps.compactMap { try? $0.get() }
        var size = ReplySize()
        for step in valid { size.add(step.work, step.options, step.served) }
        try size.check()
        var results = try await run(valid.map(\.work))[...]
        var json = JSONWriter(capacity: 4096)
        json.beginObject()
        json.key("results")
        json.beginArray()
        for (session, step) in zip(sessions, steps) {
            switch step {
            case .success(let step): Self.write(results.removeFirst(), step, to: &json)
            case .failure(let problem): Self.write(problem, session, to: &json)
            }
        }
        json.endArray()
        json.endObject()
        return Response(json: json)
    }

    static let stepFields = ["token", "vector", "expected_step"] + OutputOptions.fields

    struct StepWork: Sendable {
        var work: Work
        /// nil for a supplied state.
        let session: String?
        let served: ServedModel
        let options: OutputOptions
    }

    /// Not part of the handler, so that the document is given back before the wait.
    private func stepWork(_ body: [UInt8], _ request: Request) throws(Problem) -> StepWork {
        let fields = try Fields(bytes: body, allowed: Self.stepFields)
        return try stepWork(fields, request.parameters["id"], request, deadline(of: request))
    }

    func stepWork(
        _ fields: Fields, _ id: String, _ request: Request, _ deadline: Int64?
    ) throws(Problem) -> StepWork {
        let (record, served) = try session(id, request)
        var step = try stepWork(fields, request.work(served, .session(record.id)), served, id)
        (step.work.serial, step.work.deadline) = (record.serial, deadline)
        return step
    }

    private func stepWork(
        _ fields: Fields, _ work: Work, _ served: ServedModel, _ id: String? = nil
    ) throws(Problem) -> StepWork {
        var work = work
        work.input = try fields.stepInput(for: served)
        work.expectedStep = try fields.expectedStep()
        work.wantsState = try fields.bool("return_state")
        return StepWork(work: work, session: id, served: served, options: try OutputOptions(fields, served))
    }

    private static func write(
        _ result: Result<Completion, InferenceError>, _ step: StepWork, to json: inout JSONWriter
    ) {
        switch result {
        case .success(let completion): write(completion, step, to: &json)
        case .failure(let error): write(Problem(error), step.session, to: &json)
        }
    }

    static func write(_ completion: Completion, _ step: StepWork, to json: inout JSONWriter) {
        json.beginObject()
        json.session(step.session)
        json.field("step", completion.step)
        step.options.writeOutputs(completion, step.work, step.served, to: &json)
        json.state(completion, of: step.served)
        json.endObject()
    }

    private static func write(_ problem: Problem, _ session: String?, to json: inout JSONWriter) {
        json.beginObject()
        json.session(session)
        json.key("error")
        problem.write(to: &json)
        json.endObject()
    }
}

extension JSONWriter {
    /// Writes the name of the session that a result is of as `session`; null where there is none.
    mutating func session(_ id: String?) {
        key("session")
        if let id { string(id) } else { null() }
    }
}
