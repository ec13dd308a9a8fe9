/// What the table tells of a session.
public struct SessionRecord: Sendable, Equatable {
    public let id: String
    /// The served model's id.
    public let model: String
    /// Inputs absorbed.
    public internal(set) var step: Int
    public let stateBytes: Int
    /// Seconds since 1970, UTC.
    public let createdAt: Double
    public internal(set) var lastUsedAt: Double
    /// Tells this session from an earlier one of the same name.
    public let serial: UInt64
    public let policy: SessionPolicy

    /// Seconds since 1970 at which it ends unless it is used before; infinite for never.
    public var expiresAt: Double { min(lastUsedAt + policy.idle, createdAt + policy.total) }
}
