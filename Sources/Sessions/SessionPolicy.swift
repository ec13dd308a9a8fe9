/// When a move of a session is on disk. Without a folder for sessions there is only `none`.
public enum Durability: String, Sendable, CaseIterable {
    /// When the session makes room for others, and when the server ends in order. What a crash takes is gone.
    case none
    /// A moment later.
    case async
    /// Before it is answered.
    case sync
}

/// What was agreed for a session when it was made.
public struct SessionPolicy: Sendable, Equatable {
    /// Recent states that a session may keep at most.
    public static let mostRecentStates = 1024

    /// Seconds without an operation on it after which it ends; infinite for never.
    public var idle: Double
    /// Seconds after its creation at which it ends in any case; infinite for never.
    public var total: Double
    /// States before its last moves that it keeps, to be rewound to; 0 for none.
    public var recentStates: Int
    public var durability: Durability

    public init(
        idle: Double = .infinity, total: Double = .infinity, recentStates: Int = 0, durability: Durability = .none
    ) {
        precondition(idle > 0 && total > 0, "a session that ends at once")
        precondition(0...Self.mostRecentStates ~= recentStates, "\(recentStates) recent states")
        (self.idle, self.total, self.recentStates, self.durability) = (idle, total, recentStates, durability)
    }
}

/// When to look whether a session has ended: no later than it does.
struct ExpiryAlarm: Comparable {
    let time: Double
    let serial: UInt64
    let index: Int

    static func < (left: Self, right: Self) -> Bool { (left.time, left.serial) < (right.time, right.serial) }
}
