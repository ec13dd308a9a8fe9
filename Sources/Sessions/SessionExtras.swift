/// What few sessions have: states to go back to, replies to give again.
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

    /// The state that `target` means.
    func find(_ target: RewindTarget) throws(SessionError) -> Checkpoint {
        let found =
            switch target {
            case .checkpoint(let name): checkpoints.first { $0.name == name }
            case .step(let step): recent.last { $0.step == step } ?? checkpoints.last { $0.step == step }
            }
        guard let found else { throw .noCheckpoint(target, steps: Set(all.map(\.step)).sorted()) }
        return found
    }
}

extension SessionExtras {
    /// Keeps a reply, the last ones of them.
    func keep(_ reply: StoredReply) {
        replies.removeAll { $0.key == reply.key }
        replies.append(reply)
        if replies.count > StoredReply.limit { replies.removeFirst() }
    }
}
