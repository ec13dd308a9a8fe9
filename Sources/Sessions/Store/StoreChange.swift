/// Something that the store must come to know, of one session.
struct StoreChange {
    enum Kind {
        /// It moved by inputs; the reply to the request that did that may be wanted again.
        case moved([Absorbed], StoredReply?, time: Double)
        /// It stands there, however it came there.
        case whole(StoredSession)
        case checkpoint(StoredCheckpoint)
        case checkpointRemoved(String)
        /// It keeps the reply to a request that has not moved it.
        case reply(StoredReply)
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

    /// What it takes of the memory while it waits to be written; a state that several changes share counts for each.
    var bytes: Int {
        let content =
            switch kind {
            case .moved(let parts, let reply, _): JournalRecord.bytes(parts) + (reply?.bytes ?? 0)
            case .whole(let session):
                session.state.count
                    + (session.extras?.checkpoints.reduce(0) { $0 + $1.state.count } ?? 0)
                    + (session.extras?.replies.reduce(0) { $0 + $1.bytes } ?? 0)
            case .checkpoint(let checkpoint): checkpoint.state.count
            case .reply(let reply): reply.bytes
            case .checkpointRemoved, .left, .removed: 0
            }
        return 128 + id.utf8.count + content
    }
}
