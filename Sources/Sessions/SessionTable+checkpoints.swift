import Threading

/// States to which a session can go back.
extension SessionTable {
    /// Names the state at which the session stands, so that it can be rewound to it; nil for a name made of its step.
    /// - Returns: also the session, for its commit.
    public func checkpoint(
        _ id: String, serial: UInt64, name: String?
    ) throws(SessionError) -> (checkpoint: Checkpoint, session: SessionRecord) {
        try additions.withLock { () throws(SessionError) in
            try withState(id, serial) { (shard, index) throws(SessionError) in
                shard.touch(index)
                let made = shard[index].extras?.checkpoints ?? []
                let name = name ?? "step-\(shard[index].record.step)"
                if made.contains(where: { $0.name == name }) { throw .checkpointExists(name: name) }
                if made.count == Checkpoint.limit { throw .tooManyCheckpoints(limit: Checkpoint.limit) }
            }
            try makeRoom(sparing: serial) { Self.checkpointBytes }
            return try withState(id, serial) { (shard, index) throws(SessionError) in
                let (record, slot) = (shard[index].record, shard[index].slot)
                shard[index].slab.share(slot)
                let checkpoint = Checkpoint(
                    name: name ?? "step-\(record.step)", step: record.step, createdAt: record.lastUsedAt, slot: slot)
                shard.changeExtras(index) { $0.checkpoints.append(checkpoint) }
                let entry = shard[index]
                queue(shard, index, entry.change(.checkpoint(entry.stored(checkpoint)), from: record))
                return (checkpoint, shard[index].record)
            }
        }
    }

    /// The states to which the session can be rewound, in order of time.
    public func checkpoints(_ id: String, serial: UInt64) throws(SessionError) -> [Checkpoint] {
        try withState(id, serial) { (shard, index) throws(SessionError) in shard[index].extras?.all ?? [] }
    }

    /// Forgets a named checkpoint.
    public func deleteCheckpoint(
        _ id: String, serial: UInt64, name: String
    ) throws(SessionError) -> SessionRecord {
        try withState(id, serial) { (shard, index) throws(SessionError) in
            let found = try (shard[index].extras ?? SessionExtras()).find(.checkpoint(name))
            shard.changeExtras(index) { extras in extras.checkpoints.removeAll { $0.name == name } }
            accounts.release(found.slot, of: shard[index].slab)
            queue(shard, index, shard[index].change(.checkpointRemoved(name), from: shard[index].record))
            return shard[index].record
        }
    }

    /// Lets the session stand where it once stood. What it leaves is the latest of its recent states, if it keeps any.
    public func rewind(_ id: String, serial: UInt64, to target: RewindTarget) throws(SessionError) -> SessionRecord {
        try additions.withLock { () throws(SessionError) in
            try withState(id, serial) { (shard, index) throws(SessionError) in
                let found = try (shard[index].extras ?? SessionExtras()).find(target)
                // Before anything is given back: it may be the oldest of the recent states.
                shard[index].slab.share(found.slot)
                shard.touch(index)
                if !retire(shard, index) { accounts.release(shard[index].slot, of: shard[index].slab) }
                shard[index].slot = found.slot
                return note(shard, index, found.step, nil, nil)
            }
        }
    }

    // MARK: Under `additions` and the shard's lock

    /// Gives the session a slot of its own for the next state, if others have its slot or it is kept.
    func leaveSlot(_ shard: SessionShard, _ index: Int) {
        let entry = shard[index]
        if !retire(shard, index) {
            guard entry.slab.isShared(entry.slot) else { return }
            accounts.release(entry.slot, of: entry.slab)
        }
        shard[index].slot = entry.slab.take()
        accounts.charge(entry.slab.slotBytes)
    }

    /// Makes the state that the session is about to leave one of its recent ones. False when it keeps none.
    func retire(_ shard: SessionShard, _ index: Int) -> Bool {
        let (record, slot) = (shard[index].record, shard[index].slot)
        guard record.policy.recentStates > 0 else { return false }
        let forgotten = shard.changeExtras(index) { extras in
            extras.recent.append(Checkpoint(name: nil, step: record.step, createdAt: record.lastUsedAt, slot: slot))
            return extras.recent.count > record.policy.recentStates ? extras.recent.removeFirst() : nil
        }
        if let forgotten { accounts.release(forgotten.slot, of: shard[index].slab) }
        return true
    }
}
