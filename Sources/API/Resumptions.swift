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
/// A stream is kept from its first event on, which is when its session has moved: a request that is refused leaves the
/// stream before it as it was. Of a stream there is what was emitted and what goes on from there needs, never its input.
/// It is kept in memory, in a bounded number of bytes, until its session ends or newer streams need the room. All under
/// the lock: so `@unchecked Sendable`.
final class Resumptions: @unchecked Sendable {
    /// Bytes that all of them may take.
    static let limit = 16 << 20
    /// Bytes that one takes beside its tokens, names and stop texts: the stream, its end, its place in the table.
    static let overhead = 1024

    /// A stream that is kept, or will be when it has an event. All but the constants under the lock of its
    /// `Resumptions`: so `@unchecked Sendable`.
    private final class Kept: @unchecked Sendable {
        let session: String
        let digest: String
        let serial: UInt64?
        let generation: Generation
        /// Whether the session has not ended.
        let isLive: @Sendable () -> Bool
        /// Nil unless it is kept: the stream has this object in its callback.
        var stream: GenerationStream?
        /// Whether it is kept, or was: it is not kept twice.
        var wasKept = false
        var bytes = 0

        init(_ work: Work, _ digest: String, _ generation: Generation, isLive: @escaping @Sendable () -> Bool) {
            guard case .session(let session) = work.target else { preconditionFailure("a stream without a session") }
            (self.session, self.digest, serial) = (session, digest, work.serial)
            (self.generation, self.isLive) = (generation, isLive)
        }

        /// Bytes beside the tokens.
        var fixedBytes: Int {
            let stops = generation.stop.reduce(0) { $0 + 64 + $1.utf8.count }
            return Resumptions.overhead + session.utf8.count + digest.utf8.count + stops
        }
    }

    private struct Place {
        weak var entry: Kept?
    }

    private let limit: Int
    private let lock = Lock()
    /// By session.
    private var kept: [String: Kept] = [:]
    /// In the order in which they came to be kept, from `oldest` on, some of them gone since.
    private var order: [Place] = []
    private var oldest = 0
    private var bytes = 0

    init(limit: Int = Resumptions.limit) { self.limit = limit }

    deinit { for entry in kept.values { entry.stream = nil } }

    /// How many there are, and the bytes that they take.
    var figures: (count: Int, bytes: Int) { lock.withLock { (kept.count, bytes) } }

    // MARK: Streams

    /// Begins a stream of `work`, which takes the place of the one of its session that is kept when it has an event.
    /// - Parameter isLive: whether the session has not ended.
    func begin(
        _ work: Work, _ digest: String, _ scheduler: Scheduler, isLive: @escaping @Sendable () -> Bool
    ) -> ResumableStream {
        let generation = work.generation!
        let stream = stream(Kept(work, digest, generation, isLive: isLive), .init(), scheduler)
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
            let found = lock.withLock {
                kept[session].flatMap { $0.digest == digest && $0.serial == work.serial ? ($0, $0.stream!) : nil }
            }
            guard let (entry, reading) = found, let steps = reading.keptSteps else {
                throw Self.notKept("No stream of this very request on this session is kept")
            }
            // Before anything is cut: only somebody who has read it may take it over.
            guard let seen = Int(last), (steps.lowerBound - 1...steps.upperBound).contains(seen) else {
                throw Self.notKept("The stream's events are \(steps.lowerBound) to \(steps.upperBound)")
                    .with("last_step", steps.upperBound)
            }
            let (emitted, completion) = await reading.cut()
            // Another request has taken it over meanwhile, and this one takes it from there.
            guard let emitted else { continue }
            var work = work
            (work.input, work.expectedStep, work.expectedVersion) = (.empty, emitted.lastStep, emitted.version)
            work.generation = entry.generation
            work.generation!.prior = emitted.tokens
            // What has ended is sent again as often as anybody asks.
            let stream =
                completion.map(GenerationStream.init(endedWith:))
                ?? stream(Kept(work, digest, entry.generation, isLive: entry.isLive), emitted, scheduler, after: entry)
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

    /// A stream that is kept as `entry` when it has an event.
    private func stream(
        _ entry: Kept, _ emitted: GenerationStream.Emitted, _ scheduler: Scheduler
    ) -> GenerationStream {
        scheduler.stream(keeping: emitted) { [weak self] stream, bytes in self?.grow(entry, stream, bytes) }
    }

    /// A stream that goes on with another, and takes its place at once; nil where that is not kept any more.
    private func stream(
        _ entry: Kept, _ emitted: GenerationStream.Emitted, _ scheduler: Scheduler, after other: Kept
    ) -> GenerationStream? {
        let stream = stream(entry, emitted, scheduler)
        let isNext = lock.withLock {
            guard kept[entry.session] === other else { return false }
            keep(entry, stream, emitted.bytes)
            return true
        }
        return isNext ? stream : nil
    }

    // MARK: Letting go

    /// Lets go of the stream of a session that has ended.
    func forget(_ session: String, serial: UInt64) {
        lock.withLock { if let entry = kept[session], entry.serial == serial { remove(entry) } }
    }

    // MARK: Growing

    private func grow(_ entry: Kept, _ stream: GenerationStream, _ growth: Int) {
        let isNew = lock.withLock {
            if !entry.wasKept {
                keep(entry, stream, growth)
                return true
            }
            guard entry.stream != nil else { return false }
            entry.bytes += growth
            bytes += growth
            makeRoom()
            return false
        }
        // A session that ended before this has notified nobody who could have let go of it.
        if isNew, !entry.isLive() { lock.withLock { remove(entry) } }
    }

    // MARK: Under the lock

    private func keep(_ entry: Kept, _ stream: GenerationStream, _ tokens: Int) {
        if let old = kept[entry.session] { remove(old) }
        (entry.stream, entry.wasKept, entry.bytes) = (stream, true, entry.fixedBytes + tokens)
        kept[entry.session] = entry
        bytes += entry.bytes
        order.append(Place(entry: entry))
        if order.count > 2 * kept.count + 64 {
            order.removeAll { $0.entry?.stream == nil }
            oldest = 0
        }
        makeRoom()
    }

    private func makeRoom() {
        while bytes > limit, oldest < order.count {
            if let entry = order[oldest].entry { remove(entry) }
            oldest += 1
        }
    }

    private func remove(_ entry: Kept) {
        guard let stream = entry.stream else { return }
        entry.stream = nil
        kept[entry.session] = nil
        bytes -= entry.bytes
        // A generation that goes on is still read; it only cannot be gone on with.
        stream.forget()
    }
}
