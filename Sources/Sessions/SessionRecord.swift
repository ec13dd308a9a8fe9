import Kernels
import Recurrent

/// What the table tells of a session.
public struct SessionRecord: Sendable, Equatable {
    /// What the table calls it.
    public let id: String
    /// The served model's id.
    public let model: String
    /// Inputs absorbed.
    public internal(set) var step: Int
    public let stateBytes: Int
    /// Seconds since 1970, UTC.
    public internal(set) var createdAt: Double
    public internal(set) var lastUsedAt: Double
    /// Tells this session from an earlier one of the same name.
    public let serial: UInt64
    public let policy: SessionPolicy
    /// Names the session as the store has to have it: its state and, where nothing of that is journaled, what it keeps
    /// beside it.
    public internal(set) var version: UInt64 = 0
    /// The version at which the session moved last: no other state of any session has it. A checkpoint, a fork and a
    /// kept reply leave it as it is.
    public internal(set) var stateVersion: UInt64 = 0
    /// The commit of the store after which it is on disk as it stands here; 0 where nobody waits for that.
    public internal(set) var commit: UInt64 = 0
    /// Whether its state is in memory, not only on disk.
    public internal(set) var isInMemory = true
    /// Whether its state on disk has turned out damaged: it can be rewound to a state that it keeps, or to step 0.
    public internal(set) var isDamaged = false

    /// What its owner calls it.
    public var name: String { SessionID.local(id) }

    /// Seconds since 1970 at which it ends unless it is used before; infinite for never.
    public var expiresAt: Double { min(lastUsedAt + policy.idle, createdAt + policy.total) }
}

extension SessionRecord {
    /// A session of another name that stands where this one does, made at that time; it has no serial yet.
    public func forked(as id: String, at time: Double) -> SessionRecord {
        SessionRecord(
            id: id, model: model, step: step, stateBytes: stateBytes, createdAt: time, lastUsedAt: time, serial: 0,
            policy: policy)
    }

    /// A session as it will be when it is made; it has no serial yet.
    public init(toBe id: String, model: String, step: Int, stateBytes: Int, at time: Double, policy: SessionPolicy) {
        self.init(
            id: id, model: model, step: step, stateBytes: stateBytes, createdAt: time, lastUsedAt: time, serial: 0,
            policy: policy)
    }

    /// The session as it is when it has moved to `step` at that time.
    public func moved(to step: Int, at time: Double) -> SessionRecord {
        var record = self
        (record.step, record.lastUsedAt) = (step, time)
        return record
    }
}

/// Inputs that moved a session, and how they were combined: what leads from its state before to that after.
public struct Absorbed: Sendable, Equatable {
    public var input: InputSequence
    public var scan: ScanMode

    public init(_ input: InputSequence, _ scan: ScanMode) { (self.input, self.scan) = (input, scan) }
}
