/// Memory that is reserved for one operation, until what it is for takes its place or the operation ends.
///
/// Only the thread that runs the operation uses it.
public final class Reservation {
    /// Bytes that count as used.
    public internal(set) var bytes = 0

    public init() {}
}

/// What the store has given an operation that had asked for it.
public struct Grant: Sendable {
    /// Bytes that are reserved for it.
    let bytes: Int
    let content: Content

    enum Content: Sendable {
        case nothing
        case restoration(Restoration)
        case checkpoints([CheckpointName], Departures)
        case checkpoint(String, StoredCheckpoint?, Departures)
        case reply(String, StoredReply?, Departures)
    }
}

/// How often a session has left the memory: what was read from the database before it last did may be out of date.
typealias Departures = UInt32

/// Something that a session has beside its state.
public enum StoredExtra: Sendable, Equatable {
    /// The reply under a key.
    case reply(key: String)
    /// Its named checkpoints, without their states.
    case checkpoints
    /// A checkpoint with its state.
    case checkpoint(name: String)
}
