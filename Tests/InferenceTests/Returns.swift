import Threading

@testable import Inference

/// Operations that have come back from the store to an engine without a thread, in order.
///
/// The list is under the lock, which the thread sanitizer sees, as it does not see a `Mutex`: so `@unchecked Sendable`.
final class Returns: @unchecked Sendable {
    typealias Element = (operation: Operation, outcome: Restorer.Outcome)

    private let lock = Lock()
    private var list: [Element] = []

    func append(_ operation: Operation, _ outcome: Restorer.Outcome) {
        lock.withLock { list.append((operation, outcome)) }
    }

    func takeFirst() -> Element? { lock.withLock { list.isEmpty ? nil : list.removeFirst() } }

    func takeAll() -> [Element] {
        lock.withLock {
            defer { list.removeAll() }
            return list
        }
    }
}
