/// What the store has granted one operation, until the operation has used it or waits again: memory, and that its
/// session does not leave the memory meanwhile.
///
/// Only the thread that runs the operation uses it. An operation with a grant never waits for the store, so that every
/// grant comes back.
public final class Reservation {
    /// Bytes that count as used.
    public internal(set) var bytes = 0
    /// The session that stays where it is, if the operation has one.
    var session: SessionKey?
    /// Whether the store counts on its coming back.
    public internal(set) var isGranted = false

    public init() {}
}

/// A session by its name and its serial.
struct SessionKey: Sendable {
    let id: String
    let serial: UInt64
}

/// What the store has given an operation that had asked for it.
public struct Grant: Sendable {
    /// Bytes that are reserved for it.
    let bytes: Int
    /// The session that does not leave the memory for it.
    let session: SessionKey?
    let contents: [Content]

    enum Content: Sendable {
        case restoration(Restoration)
        case checkpoints([CheckpointName], Departures)
        case checkpoint(String, FoundCheckpoint, Departures)
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
