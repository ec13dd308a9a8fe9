import Kernels
import Synchronization
import Threading

/// Sessions that move from one state to the next, and the operations that hold them meanwhile.
extension SessionTable {
    /// Moves the session to `step` with row `row` of `states`, and keeps the reply to the request that did that, if it
    /// may come again. `serial` and `version` are of the load before: a session that ended in the meantime is gone, even
    /// if its name was taken anew, and one that the store could not keep up with is where the store has it.
    /// - Parameters:
    ///   - absorbed: what led from the state before to this one; nil for a state from elsewhere.
    ///   - fetched: what the store has given for it, where it had to leave the memory since the load.
    ///   - reservation: the memory for that.
    public func save(
        _ id: String, serial: UInt64, version: UInt64? = nil, from states: Matrix, row: Int, step: Int,
        absorbed: [Absorbed]? = nil, reply: StoredReply? = nil, _ fetched: Fetched = Fetched(),
        using reservation: Reservation? = nil
    ) throws(SessionError) -> SessionRecord {
        let moved: SessionRecord? = try with(id, serial) { (shard, index) throws(SessionError) in
            guard version ?? shard[index].record.version == shard[index].record.version else {
                throw .store(.failed(what: "the move before was not taken"))
            }
            try requireStore(shard[index].record.policy)
            guard shard[index].isHere else {
                if shard[index].record.isDamaged { return nil }
                guard let restoration = fetched.restoration, fits(restoration, shard[index]) else { throw .onDisk }
                return nil
            }
            shard.touch(index)
            let entry = shard[index]
            guard reply == nil, entry.record.policy.recentStates == 0, !entry.slab.isShared(entry.slot) else {
                return nil
            }
            entry.slab.write(entry.slot, from: states, row: row)
            return note(shard, index, step, absorbed, nil)
        }
        if let moved { return moved }
        return try additions.withLock { () throws(SessionError) in
            let reserved = spend(reservation)
            let placed = try with(id, serial) { (shard, index) throws(SessionError) in
                fetched.restoration.map { place($0, shard, index) } ?? 0
            }
            try makeRoomToMove(id, serial, reply, reserved: reserved - placed)
            return try withStateOrDamage(id, serial) { (shard, index) throws(SessionError) in
                guard version ?? shard[index].record.version == shard[index].record.version else {
                    throw .store(.failed(what: "the move before was not taken"))
                }
                if shard[index].record.isDamaged { mend(shard, index) } else { leaveSlot(shard, index) }
                shard[index].slab.write(shard[index].slot, from: states, row: row)
                if let reply { shard.changeExtras(index) { $0.keep(reply) } }
                return note(shard, index, step, absorbed, reply)
            }
        }
    }

    /// Gives a session whose state is damaged a slot for another state. Under `additions` and its shard's lock.
    func mend(_ shard: SessionShard, _ index: Int) {
        let slot = shard[index].slab.take()
        accounts.charge(shard[index].slab.slotBytes)
        shard.enterMemory(index, slot: slot)
        shard[index].record.isDamaged = false
        store?.setPending(shard[index].record.serial, nil)
    }

    /// Takes note that the session has moved, and has the store know it.
    func note(
        _ shard: SessionShard, _ index: Int, _ step: Int, _ absorbed: [Absorbed]?, _ reply: StoredReply?
    ) -> SessionRecord {
        let before = shard[index].record
        shard[index].record.step = step
        shard[index].record.version = latestVersion.add(1, ordering: .relaxed).newValue
        shard[index].record.stateVersion = shard[index].record.version
        guard accounts.store != nil, before.policy.durability != .none else { return shard[index].record }
        let entry = shard[index]
        if let absorbed, JournalRecord.bytes(absorbed) <= entry.slab.slotBytes {
            let time = entry.lastUse(on: accounts.storeClock)
            queue(shard, index, entry.change(.moved(absorbed, reply, time: time), from: before))
        } else {
            let stored = entry.stored(withExtras: reply != nil, on: accounts.storeClock)
            queue(shard, index, entry.change(.whole(stored), from: before))
        }
        return shard[index].record
    }

    /// Queues changes of a session that is to be durable, all of which come to be or none, or one of what the store has of
    /// one that is not.
    func queue(_ shard: SessionShard, _ index: Int, _ changes: StoreChange...) {
        guard let store = accounts.store else { return }
        if shard[index].record.policy.durability == .none {
            // What is being written of it at this moment is no longer all of it.
            shard[index].record.version = latestVersion.add(1, ordering: .relaxed).newValue
            // The store may have a checkpoint of it, written when the session could not leave the memory after all.
            guard case .checkpointRemoved = changes[0].kind else { return }
        }
        let commit = store.append(changes)
        shard[index].lastCommit = commit
        if changes.contains(where: \.isAwaited) { shard[index].record.commit = commit }
    }

    /// The reply that is kept under the key.
    /// - Parameter fetched: what the store has given for it.
    public func reply(
        _ id: String, serial: UInt64, key: String, _ fetched: Fetched = Fetched()
    ) throws(SessionError) -> StoredReply? {
        try with(id, serial) { (shard, index) throws(SessionError) in
            if let reply = shard[index].extras?.replies.first(where: { $0.key == key }) { return reply }
            return try fetched.reply(key, of: shard[index])
        }
    }

    // MARK: Holding

    /// Takes note of an operation on the session, which will not be idle before `release`.
    /// - Returns: the session's serial; nil when it has ended, or is not that one.
    public func hold(_ id: String, serial: UInt64?) -> UInt64? {
        try? with(id, serial) { (shard, index) throws(SessionError) in
            shard[index].holds += 1
            if shard[index].slot >= 0 { shard[index].slab.prefetch(shard[index].slot) }
            return shard[index].record.serial
        }
    }

    /// An operation that held the session has ended.
    public func release(_ id: String, serial: UInt64) {
        try? with(id, serial) { (shard, index) throws(SessionError) in
            shard[index].holds -= 1
            if shard[index].record.policy.idle < .infinity { shard.rest(index) }
        }
        if accounts.usedBytes > budget { store?.spill() }
    }

    /// Gives back what an operation has left of its grant: when it has ended, waits again, or goes on without.
    public func giveBack(_ reservation: Reservation) {
        guard reservation.isGranted else { return }
        spend(reservation)
        store?.noteGivenBack(reservation.session)
        (reservation.session, reservation.isGranted) = (nil, false)
    }
}
