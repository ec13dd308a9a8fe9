/// Why an operation on a session is refused. Nothing has moved.
public enum SessionError: Error, Equatable {
    /// No session of that name is remembered.
    case unknown(id: String)
    /// It was here; `lastStep` is the step it stood at.
    case gone(id: String, reason: GoneReason, lastStep: Int)
    /// The name is taken.
    case exists(id: String)
    /// There is no room in the whole budget, in bytes, though all that may make room has.
    case storeFull(needed: Int, budget: Int)
    /// The session has a checkpoint of that name already.
    case checkpointExists(name: String)
    /// It has no such state any more, or never had; `steps` are those that it has, in order.
    case noCheckpoint(RewindTarget, steps: [Int])
    /// It has `limit` named checkpoints.
    case tooManyCheckpoints(limit: Int)

    public enum GoneReason: String, Sendable {
        case deleted, evicted, expired
    }
}
