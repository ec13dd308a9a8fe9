/// When a session ends by itself.
public struct SessionLifetime: Sendable, Equatable {
    /// Seconds without an operation on it after which it ends; infinite for never.
    public var idle: Double
    /// Seconds after its creation at which it ends in any case; infinite for never.
    public var total: Double

    public init(idle: Double = .infinity, total: Double = .infinity) {
        precondition(idle > 0 && total > 0, "a session that ends at once")
        (self.idle, self.total) = (idle, total)
    }
}

/// When to look whether a session has ended: no later than it does.
struct ExpiryAlarm: Comparable {
    let time: Double
    let serial: UInt64
    let index: Int

    static func < (left: Self, right: Self) -> Bool { (left.time, left.serial) < (right.time, right.serial) }
}
