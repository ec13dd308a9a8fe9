/// What one owner's sessions may be at most; nil for no bound but the table's.
public struct SessionQuota: Sendable, Equatable {
    public var sessions: Int?
    /// Bytes of their states, in memory and on disk, one for each session: copies that share memory, checkpoints and
    /// recent states do not count.
    public var bytes: Int?

    public init(sessions: Int? = nil, bytes: Int? = nil) { (self.sessions, self.bytes) = (sessions, bytes) }
}
