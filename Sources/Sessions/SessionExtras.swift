/// What few sessions have: states to go back to, replies to give again. Those of a session that has come back from disk
/// are those that it has had since: the others stay on disk.
final class SessionExtras {
    /// Named ones in order of creation.
    var checkpoints: [Checkpoint] = []
    /// Recent states, the oldest first: as many as the session's policy says.
    var recent: [Checkpoint] = []
    /// The latest last.
    var replies: [StoredReply] = []

    /// Bytes beside the states.
    var bytes: Int {
        replies.reduce(0) { $0 + $1.bytes } + SessionTable.checkpointBytes * (checkpoints.count + recent.count)
    }

    /// All states to go back to, in order of time.
    var all: [Checkpoint] { (recent + checkpoints).sorted { ($0.createdAt, $0.step) < ($1.createdAt, $1.step) } }
}

extension SessionExtras {
    /// Whether there is anything that can move to disk.
    var hasStorable: Bool { !checkpoints.isEmpty || !replies.isEmpty }

    /// Keeps a reply, the last ones of them.
    func keep(_ reply: StoredReply) {
        replies.removeAll { $0.key == reply.key }
        replies.append(reply)
        if replies.count > StoredReply.limit { replies.removeFirst() }
    }
}
