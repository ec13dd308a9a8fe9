/// Something that the store must come to know, of one session.
struct StoreChange {
    enum Kind {
        /// It moved by inputs; the reply to the request that did that may be wanted again.
        case moved([Absorbed], StoredReply?, time: Double)
        /// It stands there, however it came there.
        case whole(StoredSession)
        case checkpoint(StoredCheckpoint)
        case checkpointRemoved(String)
        /// What the store has of it is how it stands: it has left the memory.
        case left
        case removed
    }

    let id: String
    let serial: UInt64
    /// The version and the step at which it stood before, 0 where there was none, and the version it stands at.
    let previous: UInt64
    let previousStep: Int
    let version: UInt64
    /// Whether somebody waits for it.
    let isAwaited: Bool
    let kind: Kind
}
