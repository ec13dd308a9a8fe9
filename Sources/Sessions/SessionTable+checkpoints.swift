import Threading

/// States to which a session can go back.
extension SessionTable {
    /// Names the state at which the session stands, so that it can be rewound to it; nil for a name made of its step.
    /// - Parameters:
    ///   - time: of the checkpoint, seconds since 1970; nil for now.
    ///   - reply: to the request, if it may come again.
    ///   - fetched: what the store has given for it.
    ///   - reservation: the memory for that.
    /// - Returns: also the session, for its commit.
    public func checkpoint(
        _ id: String, serial: UInt64, name: String?, at time: Double? = nil, reply: StoredReply? = nil,
        _ fetched: Fetched = Fetched(), using reservation: Reservation? = nil
    ) throws(SessionError) -> (checkpoint: Checkpoint, session: SessionRecord) {
        try additions.withLock { () throws(SessionError) in
            try withState(id, serial) { (shard, index) throws(SessionError) in
                try requireStore(shard[index].record.policy)
                shard.touch(index)
                let names = (shard[index].extras?.checkpoints ?? []).compactMap(\.name)
                let known = try names + fetched.checkpoints(of: shard[index]).map(\.name)
                let name = name ?? "step-\(shard[index].record.step)"
                if known.contains(name) { throw .checkpointExists(name: name) }
                if known.count >= Checkpoint.limit { throw .tooManyCheckpoints(limit: Checkpoint.limit) }
            }
            let reserved = spend(reservation)
            try makeRoom(for: (id, serial), reserved: reserved) { Self.checkpointBytes + (reply?.bytes ?? 0) }
            return try withState(id, serial) { (shard, index) throws(SessionError) in
                let (record, slot) = (shard[index].record, shard[index].slot)
                shard[index].slab.share(slot)
                let checkpoint = Checkpoint(
                    name: name ?? "step-\(record.step)", step: record.step, createdAt: time ?? record.lastUsedAt,
                    slot: slot)
                shard.changeExtras(index) { extras in
                    extras.checkpoints.append(checkpoint)
                    if let reply { extras.keep(reply) }
                }
                let entry = shard[index]
                let change = entry.change(.checkpoint(entry.stored(checkpoint)), from: record)
                if let reply {
                    queue(shard, index, change, entry.change(.reply(reply), from: record))
                } else {
                    queue(shard, index, change)
                }
                return (checkpoint, shard[index].record)
            }
        }
    }

    /// The states to which the session can be rewound, in order of time.
    /// - Parameter fetched: what the store has given for it.
    public func checkpoints(
        _ id: String, serial: UInt64, _ fetched: Fetched = Fetched()
    ) throws(SessionError) -> [Checkpoint] {
        try withStateOrDamage(id, serial) { (shard, index) throws(SessionError) in
            try Self.checkpoints(of: shard[index], fetched)
        }
    }

    private static func checkpoints(
        of entry: SessionShard.Entry, _ fetched: Fetched
    ) throws(SessionError) -> [Checkpoint] {
        let stored = try fetched.checkpoints(of: entry).map {
            Checkpoint(name: $0.name, step: $0.step, createdAt: $0.createdAt, slot: -1)
        }
        let here = entry.extras.map { $0.recent + $0.checkpoints } ?? []
        return (stored + here).sorted { ($0.createdAt, $0.step) < ($1.createdAt, $1.step) }
    }

    /// The refusal for a state that the session does not keep.
    private static func missing(
        _ target: RewindTarget, _ entry: SessionShard.Entry, _ fetched: Fetched
    ) throws(SessionError) -> SessionError {
        .noCheckpoint(target, steps: Set(try checkpoints(of: entry, fetched).map(\.step)).sorted())
    }

    /// Forgets a named checkpoint.
    /// - Parameter fetched: what the store has given for it.
    public func deleteCheckpoint(
        _ id: String, serial: UInt64, name: String, _ fetched: Fetched = Fetched()
    ) throws(SessionError) -> SessionRecord {
        try withState(id, serial) { (shard, index) throws(SessionError) in
            if let found = shard[index].extras?.checkpoints.first(where: { $0.name == name }) {
                shard.changeExtras(index) { extras in extras.checkpoints.removeAll { $0.name == name } }
                accounts.release(found.slot, of: shard[index].slab)
            } else if try !fetched.checkpoints(of: shard[index]).contains(where: { $0.name == name }) {
                throw try Self.missing(.checkpoint(name), shard[index], fetched)
            }
            queue(shard, index, shard[index].change(.checkpointRemoved(name), from: shard[index].record))
            return shard[index].record
        }
    }

    /// A state that a session can be rewound to.
    private enum Found {
        case here(Checkpoint)
        case stored(StoredCheckpoint)
    }

    /// Lets the session stand where it once stood. What it leaves is the latest of its recent states, if it keeps any.
    /// - Parameters:
    ///   - reply: makes the reply to the request of the session as it then is, if it may come again; at most `smallReply`
    ///     bytes.
    ///   - fetched: what the store has given for it.
    ///   - reservation: the memory for that.
    public func rewind(
        _ id: String, serial: UInt64, to target: RewindTarget, reply: ((SessionRecord) -> StoredReply)? = nil,
        _ fetched: Fetched = Fetched(), using reservation: Reservation? = nil
    ) throws(SessionError) -> SessionRecord {
        try additions.withLock { () throws(SessionError) in
            let found = try withStateOrDamage(id, serial) { (shard, index) throws(SessionError) in
                try requireStore(shard[index].record.policy)
                return try Self.find(target, shard[index], fetched)
            }
            let replyBytes = reply == nil ? 0 : Self.smallReply
            if case .stored = found {
                let reserved = spend(reservation)
                try makeRoom(for: (id, serial), reserved: reserved) { () throws(SessionError) in
                    try withStateOrDamage(id, serial) { (shard, index) throws(SessionError) in
                        let isKept = shard[index].record.policy.recentStates > 0
                        return replyBytes + shard[index].slab.slotBytes + (isKept ? Self.checkpointBytes : 0)
                    }
                }
            } else if replyBytes > 0 {
                let reserved = spend(reservation)
                try makeRoom(for: (id, serial), reserved: reserved) { replyBytes }
            }
            return try withStateOrDamage(id, serial) { (shard, index) throws(SessionError) in
                let slab = shard[index].slab
                if shard[index].record.isDamaged {
                    guard case .stored(let checkpoint) = found else { throw .onDisk }
                    mend(shard, index)
                    shard.touch(index)
                    slab.write(shard[index].slot, checkpoint.state)
                    let kept = reply?(
                        shard[index].record.moved(to: checkpoint.step, at: shard[index].record.lastUsedAt))
                    if let kept { shard.changeExtras(index) { $0.keep(kept) } }
                    return note(shard, index, checkpoint.step, nil, kept)
                }
                let (slot, step): (Int, Int)
                switch found {
                case .here(let checkpoint):
                    (slot, step) = (checkpoint.slot, checkpoint.step)
                    // Before anything is given back: it may be the oldest of the recent states.
                    slab.share(slot)
                case .stored(let checkpoint):
                    (slot, step) = (slab.take(), checkpoint.step)
                    accounts.charge(slab.slotBytes)
                    slab.write(slot, checkpoint.state)
                }
                shard.touch(index)
                if !retire(shard, index) { accounts.release(shard[index].slot, of: slab) }
                shard[index].slot = slot
                let kept = reply?(shard[index].record.moved(to: step, at: shard[index].record.lastUsedAt))
                if let kept { shard.changeExtras(index) { $0.keep(kept) } }
                return note(shard, index, step, nil, kept)
            }
        }
    }

    /// The state that `target` means.
    private static func find(
        _ target: RewindTarget, _ entry: SessionShard.Entry, _ fetched: Fetched
    ) throws(SessionError) -> Found {
        let named = entry.extras?.checkpoints ?? []
        let name: String
        switch target {
        case .checkpoint(let wanted):
            if let found = named.first(where: { $0.name == wanted }) { return .here(found) }
            name = wanted
        case .step(let step):
            if let found = entry.extras?.recent.last(where: { $0.step == step })
                ?? named.last(where: { $0.step == step })
            {
                return .here(found)
            }
            guard let found = try fetched.checkpoints(of: entry).last(where: { $0.step == step }) else {
                throw try missing(target, entry, fetched)
            }
            name = found.name
        }
        switch try fetched.state(name, of: entry) {
        case .there(let state): return .stored(state)
        case .damaged: throw .checkpointDamaged(name: name)
        case .none: throw try missing(target, entry, fetched)
        }
    }

    /// What the reply to a rewind takes at most.
    public static let smallReply = 2048

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
