import Recurrent

/// Which operations are taken in: their number, the bytes of their inputs and the time that they would wait are bounded.
struct Admission {
    private let limits: Scheduler.Limits
    /// Operations under way or waiting.
    private(set) var works = 0
    /// Bytes of their inputs.
    private(set) var inputBytes = 0
    /// What the batch that is being computed left to do, and what has arrived since.
    private var backlog = Backlog()

    init(_ limits: Scheduler.Limits) { self.limits = limits }

    /// Whether operations are refused for the time that they would wait.
    var boundsDelay: Bool { limits.queueTime < Scheduler.forever }

    /// Takes in operations that arrive together, all or none.
    /// - Returns: why not.
    mutating func admit(_ operations: [Operation]) -> InferenceError? {
        let bytes = Self.inputBytes(of: operations)
        if works + operations.count > limits.works { return .queueFull(limit: limits.works) }
        if works > 0, bytes > limits.inputBytes - inputBytes { return .queueBytesFull(limit: limits.inputBytes) }
        if let delay = delay(of: operations[0]), delay > limits.queueTime {
            return .overloaded(delay: delay, limit: limits.queueTime)
        }
        if boundsDelay { for operation in operations { backlog.add(operation.work) } }
        works += operations.count
        inputBytes += bytes
        return nil
    }

    /// Operations that were taken in have ended.
    mutating func release(_ operations: [Operation]) {
        works -= operations.count
        inputBytes -= Self.inputBytes(of: operations)
    }

    /// Takes note of what there is to do, beside operations that were taken in and are not part of that yet.
    mutating func note(_ backlog: Backlog, andThen arrived: [Operation]) {
        self.backlog = backlog
        for operation in arrived { self.backlog.add(operation.work) }
    }

    /// How long what is to be done already would delay an operation; nil where that is not bounded. Operations that
    /// arrive together do not delay one another.
    private func delay(of operation: Operation) -> Duration? {
        guard boundsDelay, works > 0 else { return nil }
        return backlog.delay(ofRows: operation.work.rows, operation.work.model, at: operation.submitted)
    }

    private static func inputBytes(of operations: [Operation]) -> Int {
        operations.reduce(0) { $0 + $1.work.input.bytes }
    }
}
