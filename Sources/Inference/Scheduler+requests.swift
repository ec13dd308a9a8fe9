import Synchronization
import Threading

/// Requests and how their results come back: at once, one by one, or token by token.
extension Scheduler {
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
