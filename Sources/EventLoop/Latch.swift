import Threading

/// Opens once, for good; a plain thread can wait for that. Never wait on a loop's thread.
public final class Latch: @unchecked Sendable {
    // `@unchecked`: `isOpen` is read and written under `lock` only.
    private let lock = Lock()
    private let condition = Condition()
    private var isOpen = false

    public init() {}

    /// Lets all waiters go, now and later.
    public func open() {
        lock.withLock {
            isOpen = true
            condition.broadcast()
        }
    }

    /// Blocks the calling thread until the latch opens; false when `deadline` passed first.
    @discardableResult
    public func wait(until deadline: MonotonicInstant = .never) -> Bool {
        lock.withLock {
            while !isOpen {
                if deadline == .never {
                    condition.wait(lock)
                } else if !condition.wait(lock, untilMonotonic: deadline.nanoseconds) {
                    break
                }
            }
            return isOpen
        }
    }
}
