import Threading

/// Room for what is to come. All of it under `additions`.
extension SessionTable {
    /// Lets memory that is reserved for an operation be taken by what it is for: nobody else adds to the memory
    /// meanwhile.
    /// - Parameter limit: bytes that are taken at most.
    /// - Returns: bytes that may be taken without looking whether there is room.
    @discardableResult
    func spend(_ reservation: Reservation?, upTo limit: Int = .max) -> Int {
        guard let reservation else { return 0 }
        let bytes = min(reservation.bytes, limit)
        reservation.bytes -= bytes
        accounts.charge(-bytes)
        return bytes
    }

    /// Makes room for so many bytes by kept states of prompts and, if that is not enough, by the sessions used least
    /// recently, but not the one that needs it. With a store it is the store's thread that moves sessions away: a session
    /// that is here may take a little more than there is until then, others have to wait for that: `makingRoom`.
    /// - Parameters:
    ///   - reserved: bytes that the store has given for it.
    ///   - needed: asked anew each time: a slot that others have shared may be left to one.
    func makeRoom(
        for session: (id: String, serial: UInt64)? = nil, reserved: Int = 0, _ needed: () throws(SessionError) -> Int
    ) throws(SessionError) {
        while true {
            let bytes = try needed()
            guard bytes > reserved, accounts.usedBytes + bytes > budget else { return }
            if dropPrefix() { continue }
            if let store {
                guard session != nil, accounts.usedBytes + bytes <= budget + reserve else { throw .makingRoom(bytes) }
                return store.spill()
            }
            guard evictOldest(sparing: session?.serial) || dropRecent(of: session) else {
                throw .storeFull(needed: bytes, budget: budget)
            }
        }
    }

    /// Gives up the oldest of a session's recent states: it may keep so many, and goes on with fewer rather than not at
    /// all. False when there is none.
    func dropRecent(of session: (id: String, serial: UInt64)?) -> Bool {
        guard let session else { return false }
        let hasDropped = try? with(session.id, session.serial) { (shard, index) throws(SessionError) in
            shard.dropRecent(index)
        }
        return hasDropped ?? false
    }

    /// Makes room for the slot that a session needs which shares its own or keeps it, and for a reply.
    func makeRoomToMove(_ id: String, _ serial: UInt64, _ reply: StoredReply?, reserved: Int) throws(SessionError) {
        try makeRoom(for: (id, serial), reserved: reserved) { () throws(SessionError) in
            try withStateOrDamage(id, serial) { (shard, index) throws(SessionError) in
                Self.roomToMove(shard[index], keeping: reply?.bytes ?? 0)
            }
        }
    }

    /// Bytes that a session takes more when it moves and keeps a reply of so many bytes. Under its shard's lock.
    static func roomToMove(_ entry: SessionShard.Entry, keeping reply: Int) -> Int {
        if entry.record.isDamaged { return entry.slab.slotBytes + reply }
        let isKept = entry.record.policy.recentStates > 0
        let isShared = entry.slot >= 0 && entry.slab.isShared(entry.slot)
        return (isKept || isShared ? entry.slab.slotBytes : 0) + (isKept ? checkpointBytes : 0) + reply
    }

    /// Ends the session that was used least recently, of all but one; first those whose time has come. False when there
    /// is none.
    private func evictOldest(sparing serial: UInt64?) -> Bool {
        let removals = accounts.removals
        var oldest: (shard: SessionShard, use: UInt64)?
        for shard in shards {
            let found = shard.lock.withLock {
                shard.expire()
                return shard.oldest(sparing: serial)
            }
            if let found, found.use < oldest?.use ?? .max { oldest = (shard, found.use) }
        }
        if accounts.removals != removals { return true }
        guard let (shard, use) = oldest else { return false }
        shard.lock.withLock {
            // It may have been used or ended since.
            if let found = shard.oldest(sparing: serial), found.use == use { shard.remove(found.index, .evicted) }
        }
        return true
    }
}
