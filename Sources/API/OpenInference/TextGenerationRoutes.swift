import HTTP
import Inference
import JSON
import Recurrent

/// What to go on writing, and of which sequence.
private struct TextRequest {
    let work: Work
    let sequence: SequenceParameters?
    let body: [UInt8]
}

extension Service {
    /// `POST /v2/models/{model}/generate`: Triton's generate extension.
    @Sendable func generateText(_ request: Request) async throws -> Response {
        let served = try versioned(request)
        return try await measured(served, request) { () async throws(Problem) in
            let asked = try await textRequest(served, request)
            let reply = { @Sendable (completion: Completion) in
                Response(
                    json: Self.text(completion.generated?.text ?? "", served, ending: completion, asked.sequence))
            }
            var work = asked.work
            if try mayKeepKey(of: request, asked.sequence) {
                work.idempotency = try idempotency(of: request, asked.body, reply: reply)
            }
            let completion = try await run(work)
            return (try Response(completion, or: reply), [completion])
        }
    }

    /// `POST /v2/models/{model}/generate_stream`: the same, as server-sent events.
    @Sendable func generateTextStream(_ request: Request) async throws -> Response {
        let served = try versioned(request)
        return try await measured(served, request) { () async throws(Problem) in
            let asked = try await textRequest(served, request)
            let events = TextEvents(served: served, sequence: asked.sequence)
            return (
                try await reply(GenerationStreams(scheduler.stream(asked.work)), events, .events, for: request), []
            )
        }
    }

    /// One reply, or one event of several, of which the last tells how it has ended.
    fileprivate static func text(
        _ text: String, _ served: ServedModel, ending completion: Completion? = nil,
        _ sequence: SequenceParameters? = nil
    ) -> JSONWriter {
        var json = JSONWriter()
        json.beginObject()
        json.field("model_name", served.id)
        json.field("model_version", served.version)
        json.field("text_output", text)
        if let completion {
            json.field("finish_reason", completion.generated?.finish.rawValue ?? FinishReason.length.rawValue)
            if let sequence {
                sequence.write(to: &json)
                json.field("step", completion.step)
            }
        }
        json.endObject()
        return json
    }

    private func textRequest(
        _ served: ServedModel, _ request: Request
    ) async throws(Problem) -> TextRequest {
        let body: [UInt8]
        do throws(HTTPError) { body = try await request.body() } catch { throw Problem(error) }
        let settings = ["max_tokens", "temperature", "top_k", "top_p", "seed", "stop"]
        // Clients put them beside the text or among the parameters.
        let known = settings + SequenceParameters.names
        let fields = try Fields(bytes: body, allowed: known + ["id", "text_input", "parameters", "stream"])
        var inner = fields
        if let parameters = fields["parameters"] {
            inner = try Fields(parameters, at: "parameters.", allowed: known + ["stream"])
            for name in known where fields[name] != nil && inner[name] != nil {
                throw .invalid("\(name) stands both beside text_input and among parameters.", name)
            }
        }
        let place = { (name: String) in inner[name] == nil ? fields : inner }
        guard served.model.configuration.output == .logits else {
            throw .invalid("Model \"\(served.id)\" gives vectors: there is no text to generate.", "model")
        }
        guard served.tokenizer != nil else {
            throw .invalid("Model \"\(served.id)\" has no tokenizer, so it makes no text: use infer.", "model")
        }
        if try place("stream").bool("stream"), !request.head.segments.contains("generate_stream") {
            throw .invalid("A stream is made by generate_stream.", "stream")
        }
        let sequence =
            try SequenceParameters.names.contains { inner[$0] != nil }
            ? SequenceParameters(inner) : SequenceParameters(fields)
        let goesOn = sequence.map { !$0.starts } ?? false
        var input = InputSequence.empty
        if let text = fields["text_input"], !(goesOn && text.isString("")) {
            input = .tokens(try fields.tokens(ofText: text, "text_input", served))
        } else if !goesOn {
            throw .invalid("text_input is missing.", "text_input")
        }
        var work = request.work(served, .detached, input)
        work.outputs = .none
        work.scan = served.model.scan
        work.deadline = try deadline(of: request)
        work.generation = Generation(
            maximumTokens: try place("max_tokens").int("max_tokens", in: 1...100_000) ?? 256,
            temperature: try place("temperature").float("temperature", in: 0...100) ?? 1,
            topK: try place("top_k").int("top_k", in: 0...Int.max) ?? 0,
            topP: try place("top_p").float("top_p", in: 0...1) ?? 1,
            seed: UInt64(try place("seed").int("seed", in: 0...Int.max) ?? Int.random(in: 0...1 << 53)),
            stop: try place("stop").stop(served))
        if let sequence { try aim(&work, at: sequence, served, request) }
        return TextRequest(work: work, sequence: sequence, body: body)
    }
}

/// A generation as Triton's generate extension tells of it.
private struct TextEvents: GenerationEvents {
    let served: ServedModel
    let sequence: SequenceParameters?

    func bytes(of element: GenerationStreams.Element) -> [UInt8] {
        switch element.element {
        case .event(let event):
            guard let text = event.text, !text.isEmpty else { return [] }
            return StreamFormat.events.frame(Service.text(text, served))
        case .finished(let completion):
            return StreamFormat.events.frame(Service.text("", served, ending: completion, sequence))
        }
    }

    func bytes(of problem: Problem) -> [UInt8] {
        StreamFormat.events.frame(OpenInferenceError(problem).json, event: "error")
    }
}
