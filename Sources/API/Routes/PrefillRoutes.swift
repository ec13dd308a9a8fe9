import HTTP
import Inference
import JSON
import Kernels
import Recurrent
import Sessions

/// What all sequences of a prefill have in common.
private struct PrefillOptions {
    static let fields = OutputOptions.fields + ["return", "score", "scan", "cache"]

    var outputs = Work.Outputs.last
    let scan: ScanMode
    let usesCache: Bool

    init(_ fields: Fields, _ served: ServedModel) throws(Problem) {
        switch try fields.string("return") {
        case nil, "last": outputs = .last
        case "all": outputs = .all
        case "none": outputs = .none
        default: throw .invalid("return must be one of last, all, none.")
        }
        scan = try fields.scan(served)
        usesCache = try fields.usesCache()
    }
}

extension Service {
    /// `POST /v1/sessions/{id}/prefill`: absorbs an input of any length in one go.
    @Sendable func prefillSession(_ request: Request) async throws -> Response {
        let known = PrefillOptions.fields + Fields.input + ["expected_step"]
        let body = try await request.body()
        let fields = try Fields(bytes: body, allowed: known)
        let (record, served) = try session(request.parameters["id"], request)
        let options = try OutputOptions(fields, served)
        let input = try fields.requiredInput(for: served)
        var work = request.work(served, .session(record.id), input)
        work.serial = record.serial
        work.deadline = try deadline(of: request)
        let common = try PrefillOptions(fields, served)
        (work.outputs, work.scan, work.usesCache) = (common.outputs, common.scan, common.usesCache)
        work.score = try fields.score(served, input)
        work.expectedStep = try fields.expectedStep()
        try OutputOptions.check(work, served)
        let reply = { @Sendable [work] (completion: Completion) in
            var json = JSONWriter()
            json.beginObject()
            json.field("session", record.name)
            json.field("step", completion.step)
            options.writeOutputs(completion, work, served, to: &json)
            json.field("scan", work.scan.rawValue)
            Self.writeUsage(completion, to: &json)
            Self.writeTimings([completion], to: &json)
            json.endObject()
            return Response(json: json)
        }
        work.idempotency = try idempotency(of: request, body, reply: reply)
        return try Response(try await run(work), or: reply)
    }

    /// `POST /v1/prefill`: absorbs many sequences in one batch, each into a session, a new session or nothing.
    @Sendable func prefill(_ request: Request) async throws -> Response {
        let known = PrefillOptions.fields + ["model", "sequences", "stream"]
        let fields = try await Fields(body: request, allowed: known)
        let served = try model(fields.required("model"), request)
        let options = try OutputOptions(fields, served)
        let common = try PrefillOptions(fields, served)
        let deadline = try deadline(of: request)
        var works: [Work] = []
        var size = ReplySize()
        for (index, element) in try fields.array("sequences", limit: Self.batchLimit).enumerated() {
            let place = "sequences[\(index)]."
            let known = Fields.input + ["session", "create", "expected_step", "state", "return_state"]
            let sequence = try Fields(element, at: place, allowed: known)
            let input = try sequence.requiredInput(for: served)
            let (target, serial) = try target(of: sequence, served, request)
            var work = request.work(served, target, input)
            work.supplied = try suppliedState(of: sequence, served, target, request)
            work.wantsState = try sequence.bool("return_state")
            (work.serial, work.deadline, work.policy) = (serial, deadline, policy)
            (work.outputs, work.scan, work.usesCache) = (common.outputs, common.scan, common.usesCache)
            work.score = try fields.score(served, input)
            work.expectedStep = try sequence.expectedStep()
            try OutputOptions.check(work, served)
            size.add(work, options, served)
            works.append(work)
        }
        try size.check()
        if try fields.streams(request) {
            var response = stream(works, served, options, StreamFormat(request))
            response.heldBytes = size.bytes
            return response
        }

        let results = try await run(works)
        var json = JSONWriter(capacity: 4096)
        json.beginObject()
        json.field("model", served.id)
        json.key("results")
        json.beginArray()
        for (index, result) in results.enumerated() {
            Self.write(result, index, works[index], served, options, to: &json)
        }
        json.endArray()
        Self.writeTimings(results.compactMap { try? $0.get() }, to: &json)
        json.endObject()
        return Response(json: json)
    }

    /// Sends each result as an event of its own as it comes, and a last one that says that there are no more.
    private func stream(
        _ works: [Work], _ served: ServedModel, _ options: OutputOptions, _ format: StreamFormat
    ) -> Response {
        let results = scheduler.results(works)
        // Their inputs are not needed to write what came of them.
        let works = works.map(\.withoutInput)
        return Response(format) { writer in
            for await (index, result) in results {
                var json = JSONWriter()
                Self.write(result, index, works[index], served, options, to: &json)
                try await writer.write(format.frame(json))
            }
            var end = JSONWriter()
            end.beginObject()
            end.field("done", true)
            end.endObject()
            try await writer.write(format.frame(end, event: "done"))
            try await writer.finish()
        }
    }

    /// Where a sequence goes, and the serial of the session that it goes on with.
    private func target(
        of sequence: Fields, _ served: ServedModel, _ request: Request
    ) throws(Problem) -> (target: Work.Target, serial: UInt64?) {
        let (session, create) = (try sequence.string("session"), sequence["create"])
        guard session == nil || create == nil else {
            throw .invalid("Give \(sequence.place)session or \(sequence.place)create, not both.")
        }
        if let session {
            let record = try self.session(session, request).record
            guard record.model == served.id else {
                throw .invalid("\(sequence.place)session \"\(session)\" is a session of model \"\(record.model)\".")
            }
            return (.session(record.id), record.serial)
        }
        switch (create?.bool, create?.string) {
        case (nil, nil) where create == nil, (false?, _): return (.detached, nil)
        case (true?, _): return (.create(id: nil), nil)
        case (_, let id?):
            try checkSessionID(id, sequence.place + "create")
            return (.create(id: request.scoped(id)), nil)
        default: throw .invalid("\(sequence.place)create must be true, false or the new session's id.")
        }
    }

    /// The state that a sequence goes on from, if it brings one.
    private func suppliedState(
        of sequence: Fields, _ served: ServedModel, _ target: Work.Target, _ request: Request
    ) throws(Problem) -> Work.SuppliedState? {
        guard let file = try sequence.stateFile() else { return nil }
        if case .session = target {
            throw .invalid("Give \(sequence.place)session or \(sequence.place)state, not both.")
        }
        return try suppliedState(file, request, at: sequence.place + "state", of: served).state
    }

    private static func write(
        _ result: Result<Completion, InferenceError>, _ index: Int, _ work: Work, _ served: ServedModel,
        _ options: OutputOptions, to json: inout JSONWriter
    ) {
        json.beginObject()
        json.field("index", index)
        switch result {
        case .success(let completion):
            json.session(completion.session?.name)
            json.field("step", completion.step)
            options.writeOutputs(completion, work, served, to: &json)
            json.state(completion, of: served)
            json.field("scan", work.scan.rawValue)
            writeUsage(completion, to: &json)
        case .failure(let error):
            json.key("error")
            Problem(error).write(to: &json)
        }
        json.endObject()
    }

    static func writeUsage(_ completion: Completion, to json: inout JSONWriter) {
        json.key("usage")
        json.beginObject()
        json.field("input_steps", completion.inputSteps)
        json.field("cached_steps", completion.cachedSteps)
        json.endObject()
    }

    /// The longest wait and the longest computation among `completions`, in milliseconds.
    static func writeTimings(_ completions: [Completion], to json: inout JSONWriter) {
        json.key("timings")
        json.beginObject()
        json.field("queue_ms", milliseconds(completions.map(\.queued).max() ?? .zero))
        json.field("compute_ms", milliseconds(completions.map(\.computed).max() ?? .zero))
        json.endObject()
    }

    /// To the microsecond.
    private static func milliseconds(_ duration: Duration) -> Double {
        (duration / .microseconds(1)).rounded() / 1000
    }
}
