import HTTP
import Inference
import JSON

/// What a streamed reply writes of the generations that it reads. A value of one reply's task.
protocol GenerationEvents: Sendable {
    /// What comes before anything is generated, piece by piece; nil when that is all.
    mutating func opening() -> [UInt8]?
    /// What a generation has come to; empty where there is nothing to tell yet.
    mutating func bytes(of element: GenerationStreams.Element) -> [UInt8]
    /// What comes when all generations have ended by themselves.
    func ending(_ completions: [Completion]) -> [UInt8]
    /// What ends the reply early.
    func bytes(of problem: Problem) -> [UInt8]
}

extension GenerationEvents {
    mutating func opening() -> [UInt8]? { nil }
    func ending(_ completions: [Completion]) -> [UInt8] { [] }
}

extension Service {
    /// Bytes from which on what a stream may hold for its reader is counted: of less the number of connections is a bound.
    private static var countedBytes: Int { 64 << 10 }

    /// A reply of events that are read from `streams`, of which it is the one reader: however the reply ends, by its
    /// end, an error, a client that is gone or takes nothing, or the drain's cut, the generations end with it.
    /// - Throws: what is refused before the first event, which so has a status of its own.
    func reply(
        _ streams: GenerationStreams, _ events: some GenerationEvents, _ format: StreamFormat, for request: Request
    ) async throws(Problem) -> Response {
        // At once, also while the work is queued or absorbs its input and has nothing to write.
        request.whenClientGone { [weak streams] in streams?.cancel() }
        let first: GenerationStreams.Element?
        do throws(InferenceError) { first = try await streams.next() } catch { throw Problem(error) }
        let waitingBytes = streams.waitingBytes
        var response = Response(format) { writer in
            defer { streams.cancel() }
            var (events, element) = (events, first)
            while let opening = events.opening() { try await writer.write(opening) }
            while let part = element {
                try await writer.write(events.bytes(of: part))
                do throws(InferenceError) {
                    element = try await streams.next()
                } catch {
                    try await writer.write(events.bytes(of: Problem(error)))
                    return try await writer.finish()
                }
            }
            try await writer.write(events.ending(streams.completions))
            try await writer.finish()
        }
        if waitingBytes >= Self.countedBytes { response.heldBytes = waitingBytes }
        return response
    }
}
