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
            try refuseIdempotency(of: request, "a stream has moved its session by each step that it has reported.")
            return try await stream(work, served, body, for: request)
        }
        let reply = { @Sendable [work] (completion: Completion) in
            var json = JSONWriter(capacity: 1024)
            json.beginObject()
            json.field("session", record.name)
            json.field("step", completion.step)
            if let text = completion.generated!.text { json.field("text", text) }
            json.key("tokens")
            json.ints(completion.generated!.tokens)
            Self.writeEnd(completion, work, to: &json)
            json.endObject()
            return json
        }
        work.idempotency = try idempotency(of: request, body, reply: reply)
        return Response(try await run(work), or: reply)
    }

    private func stream(
        _ work: Work, _ served: ServedModel, _ body: [UInt8], for request: Request
    ) async throws -> Response {
        let format = StreamFormat(request)
        let start = format == .events ? try await eventsStart(work, served, body, request) : GenerationStart(work: work)
        let reader = read(start, for: request)
        // A refusal before the first token is still a reply with a status of its own.
        let first: GenerationStream.Element
        do throws(InferenceError) {
            first = try await reader.stream.next()
        } catch {
            throw Problem(error)
        }
        return Response(format) { writer in
            try await Self.write(start.events, format, writer)
            var element = first
            while true {
                switch element {
                case .event(let event): try await Self.write([event], format, writer)
                case .finished(let completion):
                    try await Self.write(completion, start.work, format, writer)
                    return try await writer.finish()
                }
                do throws(InferenceError) {
                    element = try await reader.stream.next()
                } catch {
                    try await writer.write(format.frame(Problem(error).asMember, event: "error"))
                    return try await writer.finish()
                }
            }
        }
    }

    private func read(_ start: GenerationStart, for request: Request) -> GenerationReader {
        if let completion = start.completion { return GenerationReader(GenerationStream(endedWith: completion)) }
        let reader = GenerationReader(scheduler.stream(start.work, keeping: start.emitted))
        if case .session(let session) = start.work.target { resumptions.keep(start, reader.stream, of: session) }
        // At once, also while the work is queued or absorbs its input and has nothing to write.
        request.whenClientGone { [stream = reader.stream] in stream.cancel() }
        return reader
    }

    /// Where a stream of events begins: a client whose connection was cut says what it has seen.
    private func eventsStart(
        _ work: Work, _ served: ServedModel, _ body: [UInt8], _ request: Request
    ) async throws(Problem) -> GenerationStart {
        let digest = Self.digest(of: request, body)
        var start = GenerationStart(work: work)
        if let last = request.head.fields["last-event-id"] {
            start = try await resumptions.resume(
                request.scoped(request.parameters["id"]), serial: work.serial, digest, last, served)
        } else {
            start.emitted = GenerationStream.Emitted()
        }
        start.digest = digest
        return start
    }

    private static func write(
        _ events: [GenerationEvent], _ format: StreamFormat, _ writer: borrowing BodyWriter
    ) async throws {
        for event in events {
            var json = JSONWriter()
            json.beginObject()
            json.field("token", event.token)
            if let text = event.text { json.field("text", text) }
            json.field("step", event.step)
            json.endObject()
            try await writer.write(format.frame(json, step: event.step))
        }
    }

    private static func write(
        _ completion: Completion, _ work: Work, _ format: StreamFormat, _ writer: borrowing BodyWriter
    ) async throws {
        var json = JSONWriter()
        json.beginObject()
        json.field("done", true)
        json.field("step", completion.step)
        writeEnd(completion, work, to: &json)
        json.endObject()
        try await writer.write(format.frame(json, event: "done", step: completion.step))
    }

    private static func writeEnd(_ completion: Completion, _ work: Work, to json: inout JSONWriter) {
        json.field("finish_reason", completion.generated!.finish.rawValue)
        json.field("seed", Int(work.generation!.seed))
        json.field("scan", work.scan.rawValue)
        json.key("usage")
        json.beginObject()
        json.field("input_steps", completion.inputSteps)
        json.field("cached_steps", completion.cachedSteps)
        json.field("output_steps", completion.generated!.tokens.count)
        json.endObject()
    }
}

/// Reads a generation; when nobody holds it any more, the generation ends.
private final class GenerationReader: Sendable {
    let stream: GenerationStream

    init(_ stream: GenerationStream) { self.stream = stream }

    deinit { stream.cancel() }
}
