import Threading

/// Fingerprints of models by their ids, which only grow in number. Under the lock: so `@unchecked Sendable`.
final class Fingerprints: @unchecked Sendable {
    private let lock = Lock()
    private var known: [String: String]

    init(_ known: [String: String]) { self.known = known }

    subscript(model: String) -> String? { lock.withLock { known[model] } }

    func add(_ more: [String: String]) { lock.withLock { known.merge(more) { first, _ in first } } }
}
