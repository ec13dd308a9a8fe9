/// Why an operation on a session is refused. Nothing has moved.
public enum SessionError: Error, Equatable {
    /// No session of that name is remembered.
    case unknown(id: String)
    /// It was here; `lastStep` is the step it stood at.
    case gone(id: String, reason: GoneReason, lastStep: Int)
    /// The name is taken.
    case exists(id: String)
    /// One state alone is larger than the whole budget, in bytes.
    case storeFull(needed: Int, budget: Int)

    public enum GoneReason: String, Sendable {
        case deleted, evicted, expired
    }
}
