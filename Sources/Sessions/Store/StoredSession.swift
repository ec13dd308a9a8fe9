/// A session with its state, on the way to the store or back.
struct StoredSession {
    var record: SessionRecord
    var state: [UInt8]
    /// What it has beside its state; nil where the store has that already.
    var extras: Extras?

    struct Extras {
        var checkpoints: [StoredCheckpoint] = []
        var replies: [StoredReply] = []
    }
}

/// A named checkpoint with its state.
struct StoredCheckpoint {
    var name: String
    var step: Int
    var createdAt: Double
    var state: [UInt8]
}
