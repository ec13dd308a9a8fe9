import HTTP
import Inference
import JSON
import Recurrent

extension Service {
    /// `POST /v1/completions`, as OpenAI has it; `session_id` and `state` are ours.
    @Sendable func complete(_ request: Request) async throws -> Response {
        let asked = try CompletionRequest(try await request.body(), self, request)
        let reply = CompletionReply(asked, created: Int(clock()))
        if asked.streams {
            let events = CompletionEvents(
                reply: reply, offsets: asked.echoes.map(\.text.unicodeScalars.count),
                includesUsage: asked.includesUsage)
            var response = try await self.reply(
                GenerationStreams(asked.works, scheduler), events, .events, for: request)
            response.heldBytes += reply.echoBytes
            return response
        }
        var completions: [Completion] = []
        for result in await scheduler.run(asked.works) {
            do throws(InferenceError) { completions.append(try result.get()) } catch { throw Problem(error) }
        }
        return Response(json: reply.write(completions))
    }
}

/// The events by which OpenAI's clients read generations.
private struct CompletionEvents: GenerationEvents {
    let reply: CompletionReply
    /// Of each choice: characters of its text so far.
    var offsets: [Int]
    let includesUsage: Bool
    /// The choice whose beginning is written next.
    private var opened = 0

    init(reply: CompletionReply, offsets: [Int], includesUsage: Bool) {
        (self.reply, self.offsets, self.includesUsage) = (reply, offsets, includesUsage)
    }

    mutating func opening() -> [UInt8]? {
        defer { opened += 1 }
        return reply.echoEvent(opened)
    }

    mutating func bytes(of element: GenerationStreams.Element) -> [UInt8] {
        reply.event(element.element, of: element.index, &offsets[element.index])
    }

    func ending(_ completions: [Completion]) -> [UInt8] {
        (includesUsage ? reply.usageEvent(completions) : []) + Array("data: [DONE]\n\n".utf8)
    }

    func bytes(of problem: Problem) -> [UInt8] {
        StreamFormat.events.frame(OpenAIError(problem).json, event: "error")
    }
}
