import Kernels
import Recurrent
import Sessions
import Synchronization
import Threading

/// A `Work` on its way through the scheduler.
///
/// One thread at a time uses it, and hands it over under a lock: the submitter until it is submitted, the scheduler's
/// thread until it is among the finished, and then the thread that reports its result, which is the store's where the
/// result waits for the disk. The atomic flag alone is for all threads. That makes `@unchecked Sendable` true.
final class Operation: @unchecked Sendable {
    /// Who is told of the end.
    enum Reporter {
        case waiter(CheckedContinuation<Result<Completion, InferenceError>, Never>)
        case stream(GenerationStream)
        case call(@Sendable (Result<Completion, InferenceError>) -> Void)
        case nobody
    }

    let work: Work
    var reporter: Reporter
    /// Nanoseconds on the scheduler's clock at which it was submitted.
    let submitted: Int64
    private let cancelled = Atomic<Bool>(false)

    /// Set when it gets a slot of the workspace.
    var slot = -1
    /// Its lane's tick at which it got that, and what it had consumed by then.
    var slotTick = 0
    var slotConsumed = 0
    var started: Int64?
    var session: SessionRecord?
    /// The serial of the session that it keeps from being idle.
    var heldSerial: UInt64?
    /// What it cannot go on without of what the store has, as far as it has found out.
    var needs = Needs()
    /// What the store has given it for its session, and the memory for that.
    var fetched = Fetched()
    let reservation = Reservation()
    /// Whether it has made its session.
    var isNew = false
    /// Inputs that the state has absorbed in its life.
    var step = 0
    /// Inputs of this work absorbed so far.
    var consumed = 0
    /// Sampled, not yet absorbed.
    var nextToken: Int?
    /// That, where somebody wants to know how likely it was.
    var nextScore: ScoredToken?
    var generator: Generator?
    var outputs: [Float] = []
    var score = (logprob: 0.0, steps: 0)
    var scored: [ScoredToken] = []
    /// The output from which the next token is drawn.
    var logits: [Float] = []
    var failure: InferenceError?
    /// Kept beside the session's state.
    var reply: [UInt8]?
    /// Its state while others have its slot.
    var parkedState: [Float]?
    /// Inputs that it did not have to absorb, for their state was kept.
    var cachedSteps = 0
    /// Whether others may wait for the states that it keeps where it comes to one of its cuts.
    var leads = false
    var cuts: Set<Int> = []
    /// Whom it waits for, and until when; once at most.
    var leader: Operation?
    var cut = 0
    var mayFollow = true
    /// Inputs and generated tokens that the session has absorbed.
    var savedInputs = 0
    var savedTokens = 0
    /// Just absorbed, not yet told of.
    var absorbedToken: Int?
    /// Whether its state is there to be saved, which had to wait.
    var isUnsaved = false
    /// The store's commit that its result waits for; 0 for none.
    var commit: UInt64 = 0
    /// Told of its end instead of anybody outside, on the scheduler's thread.
    var follow: ((Result<Completion, InferenceError>) -> Void)?
    /// Set when it has ended.
    var result: Result<Completion, InferenceError>?

    init(_ work: Work, submitted: Int64, reporter: Reporter = .nobody) {
        (self.work, self.submitted, self.reporter) = (work, submitted, reporter)
    }

    /// Nobody waits for it any more. From any thread.
    func cancel() { cancelled.store(true, ordering: .releasing) }

    var stream: GenerationStream? { if case .stream(let stream) = reporter { stream } else { nil } }

    var isCancelled: Bool { cancelled.load(ordering: .acquiring) || stream?.cancelled ?? false }

    /// Why it is pointless to go on, if it is, at that time.
    func dropReason(at now: Int64) -> InferenceError? {
        if isCancelled { return .cancelled }
        if let deadline = work.deadline, deadline <= now { return .deadlinePassed }
        return nil
    }

    /// Whether one row does it: such a work never waits for longer ones.
    var isSingleStep: Bool { work.generation == nil && work.input.count <= 1 }

    /// Inputs of this work that are still to be absorbed.
    var remaining: Int { work.input.count - consumed }

    /// The session whose order it keeps; of those that want to make one of the same name the first is the one.
    var sessionID: String? {
        switch work.target {
        case .session(let id), .create(let id?), .put(let id): id
        case .detached, .create(nil): nil
        }
    }

    /// Why it cannot be done without its model.
    var notServed: InferenceError {
        if case .session(let id) = work.target { return .sessionNotServed(id: id, model: work.model) }
        return .notServed(model: work.model)
    }

    /// Whether it has something to absorb and, if that makes an event, room for it in its stream.
    var isReady: Bool { remaining > 0 || nextToken != nil && stream?.hasRoom ?? true }

    /// Whether it goes on only when its stream is read.
    var isPaused: Bool { remaining == 0 && nextToken != nil && !(stream?.hasRoom ?? true) }

    /// Draws the next token by the output before it.
    func draw(_ logits: [Float]) {
        guard let generator else { return }
        let token = generator.draw(logits, step: step)
        nextToken = token
        nextScore = work.logprobs.map { ScoredToken(token, after: logits[...], count: $0) }
    }

    /// Tells whoever waits for it, and lets go of them: they may hold the work in turn.
    func report() {
        let result = result!
        let told = reporter
        reporter = .nobody
        switch told {
        case .waiter(let continuation):
            HandOver.give(self)
            continuation.resume(returning: result)
        case .stream(let stream): stream.end(result)
        case .call(let call): call(result)
        case .nobody: break
        }
    }

    /// What the session has not absorbed of what the state has.
    var unsaved: [Absorbed] {
        var parts: [Absorbed] = []
        if consumed > savedInputs { parts.append(Absorbed(work.input.slice(savedInputs..<consumed), work.scan)) }
        var tokens = Array((generator?.tokens ?? []).dropFirst(savedTokens))
        if let absorbedToken { tokens.append(absorbedToken) }
        if !tokens.isEmpty { parts.append(Absorbed(.tokens(tokens), .exact)) }
        return parts
    }

    /// The session has absorbed what the state has.
    func noteSaved() {
        savedInputs = consumed
        savedTokens = (generator?.tokens.count ?? 0) + (absorbedToken == nil ? 0 : 1)
    }

    /// What there is to tell waits until the session is on disk as it stands in the record.
    func awaitCommit(of record: SessionRecord) { commit = max(commit, record.commit) }

    func completion(at now: Int64) -> Completion {
        let started = started ?? now
        return Completion(
            session: session, step: step, outputs: outputs, score: score, scored: scored, inputSteps: consumed,
            cachedSteps: cachedSteps,
            generated: generator?.result, reply: reply, isNew: isNew, queued: .nanoseconds(started - submitted),
            computed: .nanoseconds(now - started))
    }
}
