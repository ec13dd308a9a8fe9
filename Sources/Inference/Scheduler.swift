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

    let clock: @Sendable () -> Int64
    private let lock = Lock()
    private let condition: Condition
    private let wakeUp: @Sendable () -> Void
    private var inbox: [Operation] = []
    /// Those that have waited for the store.
    private var returned: [(operation: Operation, outcome: Restorer.Outcome)] = []
    /// The models to be served from now on.
    private var models: [ServedModel]?
    private var figures = SchedulerStatistics()
    private var admission: Admission
    /// The largest number of operations that have recently arrived together; it decays with each wake-up.
    private var recentArrivals = 0
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
        (self.clock, store) = (clock, sessions.store)
        admission = Admission(limits)
        let condition = Condition()
        self.condition = condition
        wakeUp = deferring { condition.signal() }
        thread = Thread { [unowned self] in
            loop(
                Engine(models, sessions: sessions, limits: limits, clock: clock) { [unowned self] in takeBack($0, $1) })
        }
    }

    deinit { precondition(thread == nil, "stop() before the last reference goes") }

    func cancel(_ operations: [Operation]) {
        for operation in operations { operation.cancel() }
        poke()
    }

    /// Has the thread look again at works that were cancelled and streams that were read.
    func poke() {
        lock.withLock { isPoked = true }
        condition.signal()
    }

    /// An operation has been answered by the store.
    private func takeBack(_ operation: Operation, _ outcome: Restorer.Outcome) {
        lock.withLock { returned.append((operation, outcome)) }
        condition.signal()
    }

    /// Bytes of the inputs that are under way or waiting.
    var waitingBytes: Int { lock.withLock { admission.inputBytes } }

    /// What there is to do, and what has been done so far.
    public var statistics: SchedulerStatistics {
        lock.withLock {
            var statistics = figures
            (statistics.works, statistics.inputBytes) = (admission.works, admission.inputBytes)
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

    /// Has operations done that arrive together, or refuses all of them.
    func submit(_ operations: [Operation]) {
        var refusal: InferenceError?
        var (mustWake, isPressing) = (false, false)
        lock.withLock {
            refusal = isStopping ? .draining : admission.admit(operations)
            guard refusal == nil else {
                figures.refused += operations.count
                return
            }
            inbox.append(contentsOf: operations)
            mustWake = isAsleep
            isPressing = 4 * inbox.count >= recentArrivals
        }
        if let refusal {
            for operation in operations {
                operation.result = .failure(refusal)
                operation.report()
            }
        } else if mustWake {
            // The first quarter of what arrives together makes a batch to compute while the others are taken in.
            if isPressing { condition.signal() } else { wakeUp() }
        }
    }

    // MARK: The scheduler's thread

    private func loop(_ engine: Engine) {
        let boundsDelay = lock.withLock { admission.boundsDelay }
        engine.willCompute = { [unowned self, unowned engine] batch in
            let backlog = boundsDelay ? engine.backlog : nil
            lock.withLock {
                figures.note(batch)
                if let backlog { admission.note(backlog, andThen: inbox) }
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
        let returned: [(operation: Operation, outcome: Restorer.Outcome)]
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
                if isStopping && admission.works == 0 { return nil }
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
            recentArrivals = max(arrived.count, recentArrivals - (recentArrivals + 7) / 8)
            defer { (isPoked, returned, models) = (false, [], nil) }
            return Signals(isPoked: isPoked, isAbandoning: isAbandoning, returned: returned, models: models)
        }
    }

    /// Tells those who wait, who find the places of their works free.
    private func finish(_ operations: [Operation]) {
        guard !operations.isEmpty else { return }
        lock.withLock {
            admission.release(operations)
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
