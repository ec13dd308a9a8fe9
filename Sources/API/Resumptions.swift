import HTTP
import Inference
import OrderedCollections
import Recurrent
import Threading

/// How a streamed generation begins: from its beginning, or where an earlier stream of it was cut.
struct GenerationStart: Sendable {
    var work: Work
    /// Of the request, by which it is known again; nil where it cannot be gone on with.
    var digest: String?
    /// What the client has not seen of what was emitted before.
    var events: [GenerationEvent] = []
    var emitted: GenerationStream.Emitted?
    /// Set where nothing more is to be emitted.
    var completion: Completion?

    init(work: Work) { self.work = work }
}

/// The latest streams of server-sent events, which a client whose connection was cut can go on reading: it sends the same
/// request with the step of the last event that it has seen as `Last-Event-ID`.
///
/// In memory, and bounded by the tokens that they may emit. All under the lock: so `@unchecked Sendable`.
final class Resumptions: @unchecked Sendable {
    private struct Kept {
        let digest: String
        let work: Work
        let stream: GenerationStream
    }

    /// Tokens that all kept streams together may emit.
    private let limit: Int
    private let lock = Lock()
    private var kept: OrderedDictionary<String, Kept> = [:]
    private var tokens = 0

    init(limit: Int = 4_000_000) { self.limit = limit }

    /// Keeps a stream of a session, instead of the one before.
    func keep(_ start: GenerationStart, _ stream: GenerationStream, of session: String) {
        guard let digest = start.digest else { return }
        lock.withLock {
            remove(session)
            kept[session] = Kept(digest: digest, work: start.work, stream: stream)
            tokens += start.work.generation!.maximumTokens
            while tokens > limit, let oldest = kept.keys.first { remove(oldest) }
        }
    }

    private func remove(_ session: String) {
        if let old = kept.removeValue(forKey: session) { tokens -= old.work.generation!.maximumTokens }
    }

    /// Where a stream of a session goes on for a client that has seen it up to the event `last`. The stream before ends.
    /// - Parameter serial: of the session; an earlier one of the same name had streams of its own.
    func resume(
        _ session: String, serial: UInt64?, _ digest: String, _ last: String, _ served: ServedModel
    ) async throws(Problem) -> GenerationStart {
        guard let found = lock.withLock({ kept[session] }), found.digest == digest, found.work.serial == serial else {
            throw Problem(
                .conflict, "stream-not-kept",
                "No stream of this very request on this session is kept, so Last-Event-ID leads nowhere.")
        }
        let (emitted, completion) = await found.stream.cut()
        guard let emitted, !emitted.tokens.isEmpty else {
            throw Problem(.conflict, "stream-not-kept", "The stream had not begun, so Last-Event-ID leads nowhere.")
        }
        let first = emitted.lastStep - emitted.tokens.count
        guard let seen = Int(last), (first...emitted.lastStep).contains(seen) else {
            throw Problem(
                .conflict, "stream-not-kept", "The stream's events are \(first + 1) to \(emitted.lastStep)."
            ).with("last_step", emitted.lastStep)
        }
        var start = GenerationStart(work: found.work)
        start.work.input = .empty
        start.work.expectedStep = emitted.lastStep
        start.work.generation!.prior = emitted.tokens
        start.emitted = emitted
        start.events = Array(
            served.events(of: start.work.generation!, lastStep: emitted.lastStep).drop { $0.step <= seen })
        start.completion = completion
        return start
    }
}
