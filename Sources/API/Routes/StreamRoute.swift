import EventLoop
import HTTP
import Inference
import JSON
import Recurrent
import Sessions

extension Service {
    /// Bytes of one line of a stream.
    static let lineLimit = 1 << 20

    /// `POST /v1/sessions/{id}/stream`: full duplex. Each line of the body is a step, answered at once by a line.
    @Sendable func streamSession(_ request: Request) async throws -> Response {
        let record = try session(request.parameters["id"], request).record
        let stream = DuplexStream(
            service: self, request: request, format: StreamFormat(request), id: request.parameters["id"],
            serial: record.serial, step: record.step, timeout: try timeout(of: request),
            keepAlive: try keepAlive(request))
        guard try !ContentCoding.isGzip(request.head) else {
            throw Problem(.unsupportedMediaType, "coding-not-supported", "A stream takes its lines without a coding.")
        }
        return Response(stream.format) { writer in try await stream.run(writer) }
    }

    /// The silence after which the client wants a sign that the stream is alive: `?keep_alive_seconds=`.
    private func keepAlive(_ request: Request) throws(Problem) -> Duration? {
        guard let text = request.head.query("keep_alive_seconds") else { return nil }
        guard let seconds = Int(text), (1...3600).contains(seconds) else {
            throw .invalid("keep_alive_seconds must be a whole number from 1 to 3600.")
        }
        return .seconds(seconds)
    }
}

/// One such stream: lines in, lines out, one after the other. A client that does not read is not read from.
private struct DuplexStream: Sendable {
    /// Why the stream has ended, as its last line says.
    enum End: String {
        /// The client has ended it.
        case end
        case idle
        case draining
        /// There is no such session any more.
        case session
        /// What came is no line.
        case input
    }

    let service: Service
    let request: Request
    let format: StreamFormat
    let id: String
    let serial: UInt64
    /// At its beginning.
    let step: Int
    let timeout: Duration?
    /// After how long a silence the client is sent something; nil for never.
    let keepAlive: Duration?

    func run(_ writer: consuming BodyWriter) async throws {
        var tally = Tally(step: step)
        let end = try await answerLines(writer, &tally)
        var json = JSONWriter()
        json.beginObject()
        json.field("done", true)
        json.field("step", tally.step)
        json.field("steps", tally.steps)
        json.field("errors", tally.errors)
        json.field("reason", end.rawValue)
        json.endObject()
        try await writer.write(format.frame(json, event: "done", step: tally.step))
        try await writer.finish()
    }

    private struct Tally {
        /// The session's, as far as this stream knows.
        var step: Int
        var steps = 0
        var errors = 0
    }

    private func answerLines(_ writer: borrowing BodyWriter, _ tally: inout Tally) async throws -> End {
        var lines = LineReader(limit: Service.lineLimit)
        do {
            while true {
                while let line = try lines.next() {
                    if let end = try await answer(line, writer, &tally) { return end }
                }
                switch try await nextPart(writer) {
                case .bytes(let part): lines.append(part)
                case .quiet: return .idle
                case .end(let isComplete):
                    // What is cut in the middle is no line; a body's last line needs no end of its own.
                    if let line = try lines.rest() {
                        guard isComplete else {
                            let problem = Problem(.badRequest, "body-cut-short", "The last line has no end.")
                            try await write(problem, writer, &tally)
                            return request.isDraining ? .draining : .input
                        }
                        if let end = try await answer(line, writer, &tally) { return end }
                    }
                    return request.isDraining && !isComplete ? .draining : .end
                }
            }
        } catch is LineReader.TooLong {
            let problem = Problem(
                .contentTooLarge, "line-too-long", "A line has more than \(Service.lineLimit) bytes."
            ).with("limit", Service.lineLimit)
            try await write(problem, writer, &tally)
            return .input
        } catch let error as HTTPError where error.status != .clientGone {
            try await write(Problem(error), writer, &tally)
            return .input
        }
    }

    /// Waits for more of the body, and lets the client know meanwhile that this still lives, if it wants that.
    private func nextPart(_ writer: borrowing BodyWriter) async throws -> Request.BodyPart {
        var patience = request.limits.streamIdleTime
        while true {
            let wait = min(patience, keepAlive ?? patience)
            let part = try await request.bodyPart(within: wait)
            guard case .quiet = part else { return part }
            patience -= wait
            if patience <= .zero { return .quiet }
            try await writer.write(format.keepAlive)
        }
    }

    /// Does what a line says, and says what came of it; an end where nothing can follow.
    private func answer(
        _ line: [UInt8], _ writer: borrowing BodyWriter, _ tally: inout Tally
    ) async throws -> End? {
        if line.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }) { return nil }
        let begun = MonotonicInstant.now
        do throws(Problem) {
            let step = try work(line)
            let completion = try await service.run(step.work)
            (tally.step, tally.steps) = (completion.step, tally.steps + 1)
            var json = JSONWriter()
            json.beginObject()
            json.field("step", completion.step)
            step.options.writeOutputs(completion, step.work, step.served, to: &json)
            json.endObject()
            service.lineSeconds.record(.now - begun)
            do throws(HTTPError) {
                try await writer.write(format.frame(json, step: completion.step))
            } catch {
                throw Problem(error)
            }
            return nil
        } catch {
            if error.status == .clientGone { throw HTTPError.clientGone }
            try await write(error, writer, &tally)
            return error.status == .notFound || error.status == .gone ? .session : nil
        }
    }

    /// Not part of `answer`, so that the document is given back before the wait.
    private func work(_ line: [UInt8]) throws(Problem) -> Service.StepWork {
        if let key = request.key, let seconds = key.admit(at: .now) { throw .rateLimited(key, seconds) }
        let deadline = timeout.map { (MonotonicInstant.now + $0).nanoseconds }
        var step = try service.stepWork(
            Fields(bytes: line, allowed: Service.stepFields, what: "The line"), id, request, deadline)
        // Of another session that has taken the name nothing is known here.
        step.work.serial = serial
        return step
    }

    private func write(_ problem: Problem, _ writer: borrowing BodyWriter, _ tally: inout Tally) async throws {
        tally.errors += 1
        try await writer.write(format.frame(problem.asMember, event: "error"))
    }
}
