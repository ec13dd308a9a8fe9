import HTTP
import Inference
import Recurrent
import Threading

/// A stream of server-sent events from where its client reads it.
struct ResumableStream: Sendable {
    let stream: GenerationStream
    /// How its tokens are drawn.
    let generation: Generation
    /// What the client has not seen of what was emitted before.
    var events: PriorEvents?
    /// The step of the last event that the client has seen.
    var seen = 0
}

/// The latest streams of server-sent events, one of a session at most, which a client whose connection was cut can go on
/// reading: it sends the same request with the step of the last event that it has seen as `Last-Event-ID`.
///
/// Of a stream there is what was emitted and what goes on from there needs, never its input. It is kept in memory, in a
/// bounded number of bytes, until its session ends or newer streams need the room. All under the lock: so
/// `@unchecked Sendable`.
final class Resumptions: @unchecked Sendable {
    /// Bytes that all of them may take.
    static let limit = 16 << 20
    /// Bytes that one takes beside its tokens, names and stop texts: the stream, its end, its place in the table.
    static let overhead = 1024

    private struct Kept {
        let digest: String
        let serial: UInt64?
        let generation: Generation
        let stream: GenerationStream
        /// Tells it from the others of its session.
        let number: UInt64
        var bytes: Int
    }

    private let limit: Int
    private let lock = Lock()
    /// By session.
    private var kept: [String: Kept] = [:]
    /// In order of their beginning from `oldest` on, some of them gone since.
    private var order: [(number: UInt64, session: String)] = []
    private var oldest = 0
    private var bytes = 0
    private var number: UInt64 = 0

    init(limit: Int = Resumptions.limit) { self.limit = limit }

    /// How many there are, and the bytes that they take.
    var figures: (count: Int, bytes: Int) { lock.withLock { (kept.count, bytes) } }

    // MARK: Streams

    /// Begins a stream of `work`, instead of the one of its session that was kept.
    func begin(_ work: Work, _ digest: String, _ scheduler: Scheduler) -> ResumableStream {
        let generation = work.generation!
        let stream = lock.withLock {
            add(work, digest, generation, .init(), scheduler)
        }
        scheduler.start(work, stream)
        return ResumableStream(stream: stream, generation: generation)
    }

    /// Goes on with the stream that `work` has begun, for a client that has seen it up to the event `last`. Another
    /// reader that it still has fails. Of several that ask at once each takes it over from the one before.
    func resume(
        _ work: Work, _ digest: String, _ last: String, _ served: ServedModel, _ scheduler: Scheduler
    ) async throws(Problem) -> ResumableStream {
        guard case .session(let session) = work.target else { preconditionFailure("a stream without a session") }
        while true {
            guard let found = lock.withLock({ kept[session] }), found.digest == digest, found.serial == work.serial
            else {
                throw Self.notKept("No stream of this very request on this session is kept")
            }
            guard let steps = found.stream.keptSteps else { throw Self.notKept("The stream had not begun") }
            // Before anything is cut: only somebody who has read it may take it over.
            guard let seen = Int(last), (steps.lowerBound - 1...steps.upperBound).contains(seen) else {
                throw Self.notKept("The stream's events are \(steps.lowerBound) to \(steps.upperBound)")
                    .with("last_step", steps.upperBound)
            }
            let (emitted, completion) = await found.stream.cut()
            // Another request has taken it over meanwhile, and this one takes it from there.
            guard let emitted else { continue }
            var work = work
            (work.input, work.expectedStep, work.expectedVersion) = (.empty, emitted.lastStep, emitted.version)
            work.generation = found.generation
            work.generation!.prior = emitted.tokens
            let stream: GenerationStream? = lock.withLock {
                guard kept[session]?.number == found.number else { return nil }
                // What has ended is told again as often as anybody asks.
                if let completion { return GenerationStream(endedWith: completion) }
                return add(work, digest, found.generation, emitted, scheduler)
            }
            guard let stream else { continue }
            if completion == nil { scheduler.start(work, stream) }
            return ResumableStream(
                stream: stream, generation: work.generation!,
                events: served.events(of: work.generation!, lastStep: emitted.lastStep), seen: seen)
        }
    }

    private static func notKept(_ reason: String) -> Problem {
        Problem(.conflict, "stream-not-kept", reason + ", so Last-Event-ID leads nowhere.")
    }

    // MARK: Letting go

    /// Lets go of the stream of a session that has ended.
    func forget(_ session: String, serial: UInt64) {
        lock.withLock { if kept[session]?.serial == serial { remove(session) } }
    }

    // MARK: Under the lock

    private func add(
        _ work: Work, _ digest: String, _ generation: Generation, _ emitted: GenerationStream.Emitted,
        _ scheduler: Scheduler
    ) -> GenerationStream {
        guard case .session(let session) = work.target else { preconditionFailure("a stream without a session") }
        remove(session)
        number += 1
        let stream = scheduler.stream(keeping: emitted) { [weak self, number] bytes in
            self?.grow(session, number, bytes)
        }
        let names = session.utf8.count + digest.utf8.count + generation.stop.reduce(0) { $0 + 64 + $1.utf8.count }
        kept[session] = Kept(
            digest: digest, serial: work.serial, generation: generation, stream: stream, number: number,
            bytes: Self.overhead + names + emitted.bytes)
        bytes += kept[session]!.bytes
        order.append((number, session))
        if order.count > 2 * kept.count + 64 {
            order.removeAll { kept[$0.session]?.number != $0.number }
            oldest = 0
        }
        makeRoom()
        return stream
    }

    private func grow(_ session: String, _ number: UInt64, _ growth: Int) {
        lock.withLock {
            guard kept[session]?.number == number else { return }
            kept[session]!.bytes += growth
            bytes += growth
            makeRoom()
        }
    }

    private func makeRoom() {
        while bytes > limit, oldest < order.count {
            let next = order[oldest]
            oldest += 1
            if kept[next.session]?.number == next.number { remove(next.session) }
        }
    }

    private func remove(_ session: String) {
        guard let old = kept.removeValue(forKey: session) else { return }
        bytes -= old.bytes
        // A generation that goes on is still read; it only cannot be gone on with.
        old.stream.forget()
    }
}
