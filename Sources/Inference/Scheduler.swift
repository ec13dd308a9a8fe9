import DequeModule
import Recurrent
import Sessions
import Synchronization
import Threading

/// Brings works and models together: continuous batching on one thread.
///
/// The members may be called from any thread. What they share with the scheduler's thread is under the lock, and the
/// engine is that thread's alone: that makes `@unchecked Sendable` true.
public final class Scheduler: @unchecked Sendable {
    public struct Limits: Sendable {
        /// Works that may be under way or waiting, all sessions together.
        public var works = 10_000
        /// Bytes that the inputs of these works may take. One work may pass it if there is no other.
        public var inputBytes = 256 << 20
        /// Works that may wait for one session while another runs.
        public var worksPerSession = 64
        /// The longest time by which works that are to be done may delay a new one, by what they have cost of late. A
        /// work that would wait longer is refused at once, so that those that were taken in are done in time.
        public var queueTime = Scheduler.forever
        /// Threads that compute a batch, the scheduler's own among them.
        public var threads = 1
        /// Computing that prefills may add to a batch while somebody steps; a few rows are always added.
        public var maxTick = Duration.milliseconds(2)
        /// Rows of a batch, at least 128; nil for what suits the model's width.
        public var batchRows: Int?

        public init() {}
    }

    /// A time that nothing takes.
    public static let forever = Duration.seconds(Int64.max / 2)

    private let limits: Limits
    private let clock: @Sendable () -> Int64
    private let lock = Lock()
    private let condition: Condition
    private let wakeUp: @Sendable () -> Void
    private var inbox: [Operation] = []
    /// Those that have waited for the store.
    private var returned: [(operation: Operation, outcome: Engine.Return)] = []
    /// The models to be served from now on.
    private var models: [ServedModel]?
    private var figures = SchedulerStatistics()
    /// As the batch found it that is being computed, and what has come since.
    private var backlog = Backlog()
    private var works = 0
    private var inputBytes = 0
    /// Works that arrive together, of late: the most, which is forgotten by and by.
    private var crowd = 0
    private var isPoked = false
    /// Whether the thread must be woken for what comes.
    private var isAsleep = false
    private var isStopping = false
    private var isAbandoning = false
    private var hasAbandoned = false
    private let store: SessionStore?
    private var thread: Thread?

    /// - Parameters:
    ///   - clock: nanoseconds on the machine's monotonic clock, as in `Work.deadline`.
    ///   - deferring: makes of the scheduler's wake-up one that may come a little later, when the submitting thread has
    ///     submitted all that it has: what arrives together then makes one batch. A quarter of what arrives together of
    ///     late does not wait for that.
    public init(
        _ models: [ServedModel], sessions: SessionTable, limits: Limits = Limits(),
        clock: @escaping @Sendable () -> Int64,
        deferring: (@escaping @Sendable () -> Void) -> @Sendable () -> Void = { $0 }
    ) {
        (self.limits, self.clock, store) = (limits, clock, sessions.store)
        let condition = Condition()
        self.condition = condition
        wakeUp = deferring { condition.signal() }
        thread = Thread { [unowned self] in
            loop(
                Engine(models, sessions: sessions, limits: limits, clock: clock) { [unowned self] in comeBack($0, $1) })
        }
    }

    deinit { precondition(thread == nil, "stop() before the last reference goes") }

    /// Does one work; it is dropped when the task is cancelled.
    public func run(_ work: Work) async throws(InferenceError) -> Completion {
        let operation = Operation(work, submitted: clock())
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                operation.reporter = .waiter(continuation)
                submit([operation])
            }
        } onCancel: {
            cancel([operation])
        }
        HandOver.take(operation)
        return try result.get()
    }

    /// Does all of `works`, which may share batches, and gives their results in order; they are dropped when the task
    /// is cancelled.
    public func run(_ works: [Work]) async -> [Result<Completion, InferenceError>] {
        guard !works.isEmpty else { return [] }
        let now = clock()
        let operations = works.map { Operation($0, submitted: now) }
        let results = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let gathering = Gathering(operations, continuation)
                for operation in operations { operation.reporter = .call { _ in gathering.countDown() } }
                submit(operations)
            }
        } onCancel: {
            cancel(operations)
        }
        HandOver.take(operations[0])
        return results
    }

    /// Does all of `works` and gives each result with its index as it comes. Those that nobody reads any more are
    /// dropped.
    public func results(
        _ works: [Work]
    ) -> AsyncStream<(index: Int, result: Result<Completion, InferenceError>)> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: (index: Int, result: Result<Completion, InferenceError>).self)
        guard !works.isEmpty else {
            continuation.finish()
            return stream
        }
        let missing = Counter(works.count)
        let now = clock()
        let operations = works.enumerated().map { index, work in
            let reporter = Operation.Reporter.call { result in
                continuation.yield((index, result))
                if missing.countDown() { continuation.finish() }
            }
            return Operation(work, submitted: now, reporter: reporter)
        }
        continuation.onTermination = { [weak self] reason in
            if case .cancelled = reason { self?.cancel(operations) }
        }
        submit(operations)
        return stream
    }

    /// Starts a work with a generation whose tokens are read one by one.
    /// - Parameters:
    ///   - keeping: what was emitted before, if all of it is to be kept.
    ///   - tell: called when there may be something to read.
    public func stream(
        _ work: Work, keeping emitted: GenerationStream.Emitted? = nil, tell: @escaping @Sendable () -> Void = {}
    ) -> GenerationStream {
        let stream = GenerationStream(keeping: emitted, tell: tell) { [weak self] in self?.poke() }
        start(work, stream)
        return stream
    }

    /// A stream that keeps what is emitted, behind what was emitted before, and has not begun.
    /// - Parameter grow: called with the bytes by which what is kept has grown, for the first time when the first event is.
    public func stream(
        keeping emitted: GenerationStream.Emitted, grow: @escaping @Sendable (GenerationStream, Int) -> Void
    ) -> GenerationStream {
        GenerationStream(keeping: emitted, grow: grow) { [weak self] in self?.poke() }
    }

    /// Starts a work with a generation whose tokens come by `stream`, which has not begun.
    public func start(_ work: Work, _ stream: GenerationStream) {
        precondition(work.generation != nil, "nothing to stream")
        submit([Operation(work, submitted: clock(), reporter: .stream(stream))])
    }

    private func cancel(_ operations: [Operation]) {
        for operation in operations { operation.cancel() }
        poke()
    }

    /// Has the thread look again at works that were cancelled and streams that were read.
    private func poke() {
        lock.withLock { isPoked = true }
        condition.signal()
    }

    private func comeBack(_ operation: Operation, _ outcome: Engine.Return) {
        lock.withLock { returned.append((operation, outcome)) }
        condition.signal()
    }

    /// Bytes of the inputs that are under way or waiting.
    var waitingBytes: Int { lock.withLock { inputBytes } }

    /// What there is to do, and what has been done so far.
    public var statistics: SchedulerStatistics {
        lock.withLock {
            var statistics = figures
            (statistics.works, statistics.inputBytes) = (works, inputBytes)
            return statistics
        }
    }

    /// Has works on these models done from now on, and on no others. A model may go, and come back, but no other may take
    /// its name.
    public func serve(_ models: [ServedModel]) {
        lock.withLock {
            self.models = models
            isPoked = true
        }
        condition.signal()
    }

    /// Refuses new works, finishes those under way and ends the thread. With `abandoning`, works under way end at once:
    /// a stream that nobody reads any more would keep the thread from ending.
    public func stop(abandoning: Bool = false) {
        lock.withLock {
            isStopping = true
            isAbandoning = abandoning
        }
        condition.signal()
        thread?.join()
        thread = nil
    }

    private func submit(_ operations: [Operation]) {
        var refusal: InferenceError?
        var (mustWake, isPressing) = (false, false)
        let bytes = operations.reduce(0) { $0 + $1.work.input.bytes }
        lock.withLock {
            if isStopping {
                refusal = .draining
            } else if works + operations.count > limits.works {
                refusal = .queueFull(limit: limits.works)
            } else if works > 0, bytes > limits.inputBytes - inputBytes {
                refusal = .queueBytesFull(limit: limits.inputBytes)
            } else if let delay = delay(of: operations[0]), delay > limits.queueTime {
                refusal = .overloaded(delay: delay, limit: limits.queueTime)
            } else {
                if isJudging { for operation in operations { backlog.add(operation.work) } }
                works += operations.count
                inputBytes += bytes
                inbox.append(contentsOf: operations)
                mustWake = isAsleep
                isPressing = 4 * inbox.count >= crowd
            }
        }
        if let refusal {
            lock.withLock { figures.refused += operations.count }
            for operation in operations {
                operation.result = .failure(refusal)
                operation.report()
            }
        } else if mustWake {
            // The first quarter of a crowd makes a batch to compute while the others are taken in.
            if isPressing { condition.signal() } else { wakeUp() }
        }
    }

    /// Whether works are refused because others are to be done first.
    private var isJudging: Bool { limits.queueTime < Self.forever }

    /// How long what is to be done already would delay a work; nil where nobody asks. Works that come together do not
    /// stand in one another's way. Under the lock.
    private func delay(of operation: Operation) -> Duration? {
        guard isJudging, works > 0 else { return nil }
        return backlog.delay(ofRows: operation.work.rows, operation.work.model, at: operation.submitted)
    }

    // MARK: The scheduler's thread

    private func loop(_ engine: Engine) {
        engine.willCompute = { [unowned self, unowned engine] batch in
            let backlog = isJudging ? engine.backlog : nil
            lock.withLock {
                figures.note(batch)
                guard let backlog else { return }
                self.backlog = backlog
                // What is in the inbox is not in there yet.
                for operation in inbox { self.backlog.add(operation.work) }
            }
        }
        var (arrived, finished): ([Operation], [Operation]) = ([], [])
        while let signals = wait(for: engine, &arrived) {
            if let models = signals.models { engine.serve(models) }
            for operation in arrived { engine.admit(operation) }
            arrived.removeAll(keepingCapacity: true)
            for (operation, outcome) in signals.returned { engine.takeBack(operation, outcome) }
            if signals.isAbandoning {
                engine.abandon(.draining)
            } else {
                if signals.isPoked { engine.sweep() }
                engine.tick()
            }
            engine.takeFinished(into: &finished)
            finish(finished)
            finished.removeAll(keepingCapacity: true)
        }
    }

    private struct Signals {
        let isPoked: Bool
        let isAbandoning: Bool
        let returned: [(operation: Operation, outcome: Engine.Return)]
        let models: [ServedModel]?
    }

    /// Waits until there is something to do and takes what has arrived; nil when there will be nothing any more.
    private func wait(
        for engine: Engine, _ arrived: inout [Operation]
    ) -> Signals? {
        let (isRunnable, wakeTime, workspaceBytes) = (engine.isRunnable, engine.wakeTime, engine.workspaceBytes)
        return lock.withLock {
            figures.workspaceBytes = workspaceBytes
            while inbox.isEmpty && returned.isEmpty && !isRunnable && !isPoked {
                if isStopping && works == 0 { return nil }
                if isAbandoning && !hasAbandoned {
                    hasAbandoned = true
                    break
                }
                isAsleep = true
                defer { isAsleep = false }
                if wakeTime == .max {
                    condition.wait(lock)
                } else if !condition.wait(lock, untilMonotonic: wakeTime) {
                    break
                }
            }
            swap(&inbox, &arrived)
            crowd = max(arrived.count, crowd - (crowd + 7) / 8)
            defer { (isPoked, returned, models) = (false, [], nil) }
            return Signals(isPoked: isPoked, isAbandoning: isAbandoning, returned: returned, models: models)
        }
    }

    /// Tells those who wait, who find the places of their works free.
    private func finish(_ operations: [Operation]) {
        guard !operations.isEmpty else { return }
        let bytes = operations.reduce(0) { $0 + $1.work.input.bytes }
        lock.withLock {
            works -= operations.count
            inputBytes -= bytes
            for operation in operations { figures.note(operation) }
        }
        for operation in operations { report(operation) }
    }

    /// Tells who waits, when what there is to tell is on disk.
    private func report(_ operation: Operation) {
        guard operation.commit > 0, let store else { return operation.report() }
        store.whenDurable(operation.commit) { error in
            if let error, case .success = operation.result! { operation.result = .failure(.session(.store(error))) }
            operation.report()
        }
    }
}

/// Tells the last of several threads that it is the last.
private final class Counter: Sendable {
    private let missing: Atomic<Int>

    init(_ count: Int) { missing = Atomic(count) }

    /// Whether this was the last one.
    func countDown() -> Bool { missing.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }
}

/// Resumes the submitter of several works with their results once all have ended.
private final class Gathering: Sendable {
    private let operations: [Operation]
    private let missing: Counter
    private let continuation: CheckedContinuation<[Result<Completion, InferenceError>], Never>

    init(
        _ operations: [Operation], _ continuation: CheckedContinuation<[Result<Completion, InferenceError>], Never>
    ) {
        (self.operations, self.continuation) = (operations, continuation)
        missing = Counter(operations.count)
    }

    func countDown() {
        guard missing.countDown() else { return }
        let results = operations.map { $0.result! }
        HandOver.give(operations[0])
        continuation.resume(returning: results)
    }
}
