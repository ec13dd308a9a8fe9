import Threading

/// Lets whoever asked for some works say that nobody waits for them any more.
///
/// The flag is under its lock: so `@unchecked Sendable`.
public final class Cancellation: @unchecked Sendable {
    private let lock = Lock()
    private var flag = false

    public init() {}

    public func cancel() { lock.withLock { flag = true } }
    var isCancelled: Bool { lock.withLock { flag } }
}
