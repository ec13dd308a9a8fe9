import DequeModule

/// Operations on one session run one at a time, in the order of arrival.
struct SessionOrder {
    /// What becomes of an operation that arrives.
    enum Arrival {
        /// No other is under way: it may run.
        case runs
        /// It is in the session's queue.
        case waits
        /// The queue is full.
        case isRefused
    }

    /// Operations that may wait for one session.
    let limit: Int
    /// By the session's name, for each session with an operation under way: those that wait for it.
    private var queues: [String: Deque<Operation>] = [:]

    init(limit: Int) { self.limit = limit }

    /// Takes in an operation on the session called `id`.
    mutating func arrive(_ operation: Operation, at id: String) -> Arrival {
        guard let waiting = queues[id]?.count else {
            queues[id] = Deque()
            return .runs
        }
        guard waiting < limit else { return .isRefused }
        queues[id]!.append(operation)
        return .waits
    }

    /// The operation under way on the session called `id` has ended.
    /// - Returns: the next of its queue, which runs now.
    mutating func leave(_ id: String) -> Operation? {
        // Most queues are empty: taking nothing out of one would allocate.
        if queues[id]!.isEmpty {
            queues[id] = nil
            return nil
        }
        return queues[id]!.removeFirst()
    }

    /// Takes those out of the queues for which there is a reason, and returns them with it, in order of arrival at each
    /// session.
    mutating func removeAll(
        _ reason: (Operation) -> InferenceError?
    ) -> [(operation: Operation, error: InferenceError)] {
        var removed: [(operation: Operation, error: InferenceError)] = []
        for index in queues.indices where !queues.values[index].isEmpty {
            queues.values[index].removeAll { operation in
                guard let error = reason(operation) else { return false }
                removed.append((operation, error))
                return true
            }
        }
        return removed
    }
}
