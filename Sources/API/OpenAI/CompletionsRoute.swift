import HTTP
import Inference
import JSON
import Recurrent

extension Service {
    /// `POST /v1/completions`, as OpenAI has it; `session_id` and `state` are ours.
    @Sendable func complete(_ request: Request) async throws -> Response {
        let asked = try CompletionRequest(try await request.body(), self, request)
        try refuseIdempotency(of: request, "it belongs to one session; use /v1/sessions/{id}/generate.")
        let reply = CompletionReply(asked, created: Int(clock()))
        if asked.streams { return try await stream(asked, reply, for: request) }
        var completions: [Completion] = []
        for result in await scheduler.run(asked.works) {
            do throws(InferenceError) { completions.append(try result.get()) } catch { throw Problem(error) }
        }
        return Response(json: reply.write(completions))
    }

    private func stream(
        _ asked: CompletionRequest, _ reply: CompletionReply, for request: Request
    ) async throws -> Response {
        let streams = GenerationStreams(asked.works, scheduler)
        request.whenClientGone { streams.cancel() }
        // A refusal before anything else is still a reply with a status of its own.
        let first: GenerationStreams.Element
        do throws(InferenceError) { first = try await streams.next()! } catch { throw Problem(error) }
        return Response(.events) { writer in
            for event in reply.echoEvents() { try await writer.write(event) }
            var element: GenerationStreams.Element? = first
            var offsets = asked.echoes.map(\.text.unicodeScalars.count)
            while let (index, part) = element {
                let event = reply.event(part, of: index, &offsets[index])
                if !event.isEmpty { try await writer.write(event) }
                do throws(InferenceError) {
                    element = try await streams.next()
                } catch {
                    let error = OpenAIError(Problem(error)).json
                    try await writer.write(StreamFormat.events.frame(error, event: "error"))
                    return try await writer.finish()
                }
            }
            if asked.includesUsage { try await writer.write(reply.usageEvent(streams.completions)) }
            try await writer.write("data: [DONE]\n\n")
            try await writer.finish()
        }
    }
}
