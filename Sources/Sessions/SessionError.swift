/// Why an operation on a session is refused. Nothing has moved.
public enum SessionError: Error, Equatable {
    /// No session of that name is remembered.
    case unknown(id: String)
    /// It was here; `lastStep` is the step it stood at.
    case gone(id: String, reason: GoneReason, lastStep: Int)
    /// The session of that name is of another model than the operation: of `model`.
    case otherModel(id: String, model: String)
    /// The name is taken.
    case exists(id: String)
    /// There is no room in the whole budget, in bytes, though all that may make room has.
    case storeFull(needed: Int, budget: Int)
    /// The names of the `sessions` that there are leave no more: `room` bytes of the budget are for names, so that each
    /// session can still be worked on.
    case namesFull(sessions: Int, room: Int, budget: Int)
    /// Its owner's quota has no room for it.
    case quotaFull(SessionQuota)
    /// The session has a checkpoint of that name already.
    case checkpointExists(name: String)
    /// It has no such state any more, or never had; `steps` are those that it has, in order.
    case noCheckpoint(RewindTarget, steps: [Int])
    /// The state of its checkpoint of that name has changed on the disk.
    case checkpointDamaged(name: String)
    /// It has `limit` named checkpoints.
    case tooManyCheckpoints(limit: Int)
    /// The reply is too large to be kept for the request to come again.
    case replyTooLarge(limit: Int)

    /// The store could not take it, or give it back; the session stands where the store has it.
    case store(StoreError)
    /// Its state is on disk: ask the store for it and try again.
    case onDisk
    /// Something that it has beside its state is on disk: ask the store for that and try again.
    case extraOnDisk(StoredExtra)
    /// Other sessions must move to disk to make room for so many bytes: ask the store for them and try again.
    case makingRoom(Int)

    public enum GoneReason: String, Sendable, CaseIterable {
        case deleted, evicted, expired
        /// It was in memory only when the server ended.
        case lost
        /// What the database has of it has changed on the disk.
        case damaged
    }
}
