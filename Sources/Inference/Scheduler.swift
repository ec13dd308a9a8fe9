import DequeModule
import Sessions
import Synchronization
import Threading

/// Brings works and models together: continuous batching on one thread.
///
/// Works on one session run one at a time in order of arrival; all others share batches. `submit` may be called from
/// any thread; everything behind the inbox belongs to the scheduler's thread: that makes `@unchecked Sendable` true.
public final class Scheduler: @unchecked Sendable {
    public struct Limits: Sendable {
        /// Works that may be under way or waiting, all sessions together.
        public var works = 10_000
        /// Works that may wait for one session while another runs.
        public var worksPerSession = 64

        public init() {}
    }

    private let limits: Limits
    private let lock = Lock()
    private let condition = Condition()
    private var inbox = Deque<Operation>()
    private var works = 0
    private var isPoked = false
    private var isStopping = false
    private var isAbandoning = false
    private var thread: Thread?

    // The scheduler's thread alone:
    private var lanes: [String: Lane] = [:]
    private var order: [Lane] = []
    /// Sessions with a work under way, and the works that wait for it.
    private var queues: [String: Deque<Operation>] = [:]

    public init(_ models: [ServedModel], sessions: SessionTable, limits: Limits = Limits()) {
        self.limits = limits
        for served in models {
            let lane = Lane(served, sessions) { [unowned self] operation in ended(operation) }
            lanes[served.id] = lane
            order.append(lane)
        }
        thread = Thread { [unowned self] in loop() }
    }

    deinit { precondition(thread == nil, "stop() before the last reference goes") }

    /// Does all of `works`, which may share batches, and gives their results in order.
    public func run(
        _ works: [Work], cancellation: Cancellation? = nil
    ) async -> [Result<Completion, InferenceError>] {
        guard !works.isEmpty else { return [] }
        return await withCheckedContinuation { continuation in
            let gathering = Gathering(works.count, continuation)
            submit(
                works.enumerated().map { index, work in
                    Operation(work, cancellation: cancellation) { gathering.set(index, $0) }
                })
        }
    }

    /// Does all of `works` and gives each result with its index as it comes.
    public func results(
        _ works: [Work], cancellation: Cancellation? = nil
    ) -> AsyncStream<(index: Int, result: Result<Completion, InferenceError>)> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: (index: Int, result: Result<Completion, InferenceError>).self)
        guard !works.isEmpty else {
            continuation.finish()
            return stream
        }
        let missing = Counter(works.count)
        submit(
            works.enumerated().map { index, work in
                Operation(work, cancellation: cancellation) { result in
                    continuation.yield((index, result))
                    if missing.countDown() { continuation.finish() }
                }
            })
        return stream
    }

    /// Does one work.
    public func run(_ work: Work, cancellation: Cancellation? = nil) async throws(InferenceError) -> Completion {
        try await run([work], cancellation: cancellation)[0].get()
    }

    /// Starts a work with a generation whose tokens are read one by one.
    public func stream(_ work: Work) -> GenerationStream {
        precondition(work.generation != nil, "nothing to stream")
        let stream = GenerationStream { [weak self] in self?.poke() }
        submit([Operation(work, stream: stream) { stream.end($0) }])
        return stream
    }

    /// Has the thread look again at streams that were read or cancelled.
    private func poke() {
        lock.withLock { isPoked = true }
        condition.signal()
    }

    /// Refuses new works, finishes those under way and ends the thread. With `abandoning`, works under way end at once:
    /// a stream that nobody reads any more would keep the thread for ever.
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
        lock.withLock {
            if isStopping {
                refusal = .draining
            } else if works + operations.count > limits.works {
                refusal = .queueFull(limit: limits.works)
            } else {
                works += operations.count
                inbox.append(contentsOf: operations)
            }
        }
        if let refusal {
            for operation in operations { operation.finish(.failure(refusal)) }
        } else {
            condition.signal()
        }
    }

    // MARK: The scheduler's thread

    private func loop() {
        while let arrived = nextArrivals() {
            for operation in arrived { admit(operation) }
            let abandons = lock.withLock { isAbandoning }
            for lane in order where abandons || lane.isRunnable {
                if abandons { lane.abandon(.draining) } else { lane.tick() }
            }
        }
    }

    /// Waits until there is something to do; nil when there will be nothing any more.
    private func nextArrivals() -> Deque<Operation>? {
        let isRunnable = order.contains(where: \.isRunnable)
        return lock.withLock {
            while inbox.isEmpty && !isRunnable && !isPoked {
                if isStopping && works == 0 { return nil }
                if isAbandoning { break }
                condition.wait(lock)
            }
            isPoked = false
            defer { inbox.removeAll(keepingCapacity: true) }
            return inbox
        }
    }

    private func admit(_ operation: Operation) {
        if let id = operation.sessionID {
            if let waiting = queues[id] {
                guard waiting.count < limits.worksPerSession else {
                    lock.withLock { works -= 1 }
                    return operation.finish(.failure(.sessionQueueFull(limit: limits.worksPerSession)))
                }
                queues[id]!.append(operation)
                return
            }
            queues[id] = []
        }
        lanes[operation.work.model]!.add(operation)
    }

    private func ended(_ operation: Operation) {
        lock.withLock { works -= 1 }
        guard let id = operation.sessionID else { return }
        if let next = queues[id]!.popFirst() {
            lanes[next.work.model]!.add(next)
        } else {
            queues[id] = nil
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

/// Collects the results of several works and resumes their submitter with the last one.
///
/// What changes is touched under its lock, but for the last reader, behind whom nobody comes: so `@unchecked Sendable`.
private final class Gathering: @unchecked Sendable {
    private let lock = Lock()
    private var results: [Result<Completion, InferenceError>?]
    private var missing: Int
    private let continuation: CheckedContinuation<[Result<Completion, InferenceError>], Never>

    init(_ count: Int, _ continuation: CheckedContinuation<[Result<Completion, InferenceError>], Never>) {
        results = Array(repeating: nil, count: count)
        missing = count
        self.continuation = continuation
    }

    func set(_ index: Int, _ result: Result<Completion, InferenceError>) {
        let complete = lock.withLock {
            results[index] = result
            missing -= 1
            return missing == 0
        }
        if complete { continuation.resume(returning: results.map { $0! }) }
    }
}
