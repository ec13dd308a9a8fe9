/// A session with its state, on the way to the store or back.
struct StoredSession {
    var record: SessionRecord
    var state: [UInt8]
    /// What the memory has of it beside its state, to be added to what the store has; nil where the store has all of it.
    var extras: Extras?

    struct Extras {
        var checkpoints: [StoredCheckpoint] = []
        var replies: [StoredReply] = []

        var isEmpty: Bool { checkpoints.isEmpty && replies.isEmpty }
    }
}

/// A named checkpoint without its state.
struct CheckpointName: Sendable {
    let name: String
    let step: Int
    /// Seconds since 1970.
    let createdAt: Double
}

/// What the database has under the name of a checkpoint.
enum FoundCheckpoint: Sendable {
    case there(StoredCheckpoint)
    case none
    /// There is one, but it is not what was written.
    case damaged
}

/// A named checkpoint with its state.
struct StoredCheckpoint: Sendable {
    var name: String
    var step: Int
    var createdAt: Double
    var state: [UInt8]
}
