/// A state that a session once stood at and can be rewound to.
public struct Checkpoint: Sendable, Equatable {
    /// nil for one of the recent states, which are kept without being asked for.
    public let name: String?
    /// Inputs that it had absorbed.
    public let step: Int
    /// Seconds since 1970 at which the checkpoint was made, or the session moved on.
    public let createdAt: Double
    /// Of its model's slab; −1 for one that is on disk only.
    let slot: Int

    /// Named checkpoints of one session.
    public static let limit = 64

    init(name: String?, step: Int, createdAt: Double, slot: Int) {
        (self.name, self.step, self.createdAt, self.slot) = (name, step, createdAt, slot)
    }

    /// A checkpoint as it will be when it is made.
    public init(toBe name: String, step: Int, at time: Double) {
        self.init(name: name, step: step, createdAt: time, slot: -1)
    }

    public static func == (left: Self, right: Self) -> Bool {
        (left.name, left.step, left.createdAt) == (right.name, right.step, right.createdAt)
    }
}

/// Where a session is rewound to.
public enum RewindTarget: Sendable, Equatable {
    /// The latest state kept of that step.
    case step(Int)
    /// The checkpoint of that name.
    case checkpoint(String)
}
