import HTTP
import Inference
import JSON
import Kernels
import Recurrent
import Sessions

extension Service {
    /// `POST /v1/sessions/{id}/generate`: samples tokens and absorbs each, at once or streamed.
    @Sendable func generate(_ request: Request) async throws -> Response {
        let known = [
            "max_tokens", "temperature", "top_k", "top_p", "seed", "stop", "stream", "expected_step",
            "scan", "cache",
        ]
        let body = try await request.body()
        let fields = try Fields(bytes: body, allowed: known + Fields.input)
        let (record, served) = try session(request.parameters["id"], request)
        guard served.model.configuration.output == .logits else {
            throw Problem.invalid("Model \"\(served.id)\" gives vectors: there are no tokens to generate.")
        }
        var work = request.work(served, .session(record.id), try fields.input(for: served) ?? .empty)
        work.outputs = .none
        work.serial = record.serial
        work.scan = try fields.scan(served)
        work.usesCache = try fields.usesCache()
        work.expectedStep = try fields.expectedStep()
        work.deadline = try deadline(of: request)
        work.generation = Generation(
            maximumTokens: try fields.int("max_tokens", in: 1...100_000) ?? 256,
            temperature: try fields.float("temperature", in: 0...100) ?? 1,
            topK: try fields.int("top_k", in: 0...Int.max) ?? 0, topP: try fields.float("top_p", in: 0...1) ?? 1,
            seed: UInt64(try fields.int("seed", in: 0...Int.max) ?? Int.random(in: 0...1 << 53)),
            stop: try fields.stop(served))
        if try fields.streams(request) {
            try request.refuseKey("a stream has moved its session by each step that it has reported.")
            return try await stream(work, served, body, record, for: request)
        }
        let (seed, scan) = (Int(work.generation!.seed), work.scan)
        let reply = { @Sendable (completion: Completion) in
            var json = JSONWriter(capacity: 1024)
            json.beginObject()
            json.field("session", record.name)
            json.field("step", completion.step)
            if let text = completion.generated!.text { json.field("text", text) }
            json.key("tokens")
            json.ints(completion.generated!.tokens)
            Self.writeEnd(completion, seed, scan, to: &json)
            json.endObject()
            return Response(json: json)
        }
        work.idempotency = try idempotency(of: request, body, reply: reply)
        return try Response(try await run(work), or: reply)
    }

    private func stream(
        _ work: Work, _ served: ServedModel, _ body: [UInt8], _ session: SessionRecord, for request: Request
    ) async throws(Problem) -> Response {
        let format = StreamFormat(request)
        var resumable: ResumableStream?
        if format == .events {
            // A client whose connection was cut says what it has seen.
            let digest = Self.digest(of: request, body)
            if let last = request.head.fields["last-event-id"] {
                resumable = try await resumptions.resume(work, digest, last, served, scheduler)
            } else {
                resumable = resumptions.begin(work, digest, scheduler) { [sessions] in
                    (try? sessions.check(session.id, serial: session.serial)) != nil
                }
            }
        }
        let generation = resumable?.generation ?? work.generation!
        let streams = GenerationStreams(resumable?.stream ?? scheduler.stream(work))
        let events = NativeEvents(
            format: format, seed: Int(generation.seed), scan: work.scan, prior: resumable?.events,
            seen: resumable?.seen ?? 0)
        return try await reply(streams, events, format, for: request)
    }

    fileprivate static func writeEnd(
        _ completion: Completion, _ seed: Int, _ scan: ScanMode, to json: inout JSONWriter
    ) {
        json.field("finish_reason", completion.generated!.finish.rawValue)
        json.field("seed", seed)
        json.field("scan", scan.rawValue)
        json.key("usage")
        json.beginObject()
        json.field("input_steps", completion.inputSteps)
        json.field("cached_steps", completion.cachedSteps)
        json.field("output_steps", completion.generated!.tokens.count)
        json.endObject()
    }
}

/// A generation as the native API tells of it.
private struct NativeEvents: GenerationEvents {
    let format: StreamFormat
    let seed: Int
    let scan: ScanMode
    /// What was emitted before, and the step up to which the client has seen it.
    var prior: PriorEvents?
    let seen: Int

    mutating func opening() -> [UInt8]? {
        while let event = prior?.next() { if event.step > seen { return bytes(of: event) } }
        prior = nil
        return nil
    }

    func bytes(of element: GenerationStreams.Element) -> [UInt8] {
        switch element.element {
        case .event(let event): return bytes(of: event)
        case .finished(let completion):
            var json = JSONWriter()
            json.beginObject()
            json.field("done", true)
            json.field("step", completion.step)
            Service.writeEnd(completion, seed, scan, to: &json)
            json.endObject()
            return format.frame(json, event: "done", step: completion.step)
        }
    }

    func bytes(of problem: Problem) -> [UInt8] { format.frame(problem.asMember, event: "error") }

    private func bytes(of event: GenerationEvent) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.field("token", event.token)
        if let text = event.text { json.field("text", text) }
        json.field("step", event.step)
        json.endObject()
        return format.frame(json, step: event.step)
    }
}
