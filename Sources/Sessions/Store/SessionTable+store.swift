import Synchronization
import Threading

/// What the store asks of the table.
extension SessionTable {
    /// Memory that is kept free, so that new sessions need not wait for the disk.
    var reserve: Int { min(budget / 8, 64 << 20) }

    /// Whether sessions should leave the memory for there to be room for so many bytes and a little more.
    func isCrowded(by bytes: Int) -> Bool { accounts.usedBytes + max(bytes, reserve) > budget }

    /// Whether there is no room for so many bytes.
    func lacks(_ bytes: Int) -> Bool { accounts.usedBytes + bytes > budget }

    /// Takes so many bytes of the memory, if there are.
    func reserve(_ bytes: Int) -> Bool {
        additions.withLock {
            if lacks(bytes) { return false }
            accounts.charge(bytes)
            return true
        }
    }

    /// Gives back what was reserved in vain.
    func release(reserved bytes: Int) { accounts.charge(-bytes) }

    /// Sessions to come, and moves to come, have greater numbers than these.
    func neverAgain(serial: UInt64, version: UInt64) {
        additions.withLock { nextSerial = max(nextSerial, serial + 1) }
        latestVersion.max(version, ordering: .relaxed)
    }

    /// Takes in a session that is on disk, at the start.
    /// - Parameter stored: its times are on the store's clock.
    func adopt(_ stored: SessionRecord, storedVersion: UInt64, hasStoredExtras: Bool) {
        var record = stored
        record.stateVersion = record.version
        neverAgain(serial: record.serial, version: record.version)
        let (clock, now) = (accounts.storeClock, accounts.steady())
        let time = now + clock.offset
        let rest = (use: max(0, time - record.lastUsedAt), creation: max(0, time - record.createdAt))
        record.createdAt += Double(clock.shift)
        record.lastUsedAt += Double(clock.shift)
        additions.withLock {
            let slab = slab(record.model, record.stateBytes)
            let shard = shard(record.id)
            shard.lock.withLock {
                let index = shard.insert(record, slab, slot: -1, rest: rest)
                (shard[index].storedVersion, shard[index].hasStoredExtras) = (storedVersion, hasStoredExtras)
            }
        }
    }

    /// Remembers a session that did not outlive the end of the server before.
    func bury(lost record: SessionRecord) {
        neverAgain(serial: record.serial, version: record.version)
        accounts.bury(.init(id: record.id, reason: .lost, lastStep: record.step, serial: record.serial))
    }

    /// Remembers a session whose row is damaged: no more than its name is known of it. Where moves of it are lost, so
    /// is the step to which they led.
    func bury(damaged id: String, lastStep: Int = 0) {
        let serial = additions.withLock {
            defer { nextSerial += 1 }
            return nextSerial
        }
        accounts.bury(.init(id: id, reason: .damaged, lastStep: lastStep, serial: serial))
    }

    /// Asks the store for what an operation on a session, or one that makes a session, cannot go on without. `then` is
    /// called by the store's thread. The operation has no grant: see `giveBack`.
    public func ask(
        for needs: Needs, _ id: String?, serial: UInt64?,
        then: @escaping @Sendable (Result<Grant, SessionError>) -> Void
    ) {
        do throws(SessionError) {
            var session: SessionKey?
            if let id, let serial {
                session = SessionKey(id: id, serial: serial)
            } else if let id, needs.state {
                session = SessionKey(id: id, serial: try record(id).serial)
            }
            store!.ask(needs, of: session, then: then)
        } catch {
            then(.failure(error))
        }
    }

    /// The session as it stands, the bytes that it takes to have its state in the memory, and those that are needed
    /// beside that.
    func demand(
        of needs: Needs, _ session: SessionKey
    ) throws(SessionError) -> (record: SessionRecord, state: Int, room: Int) {
        try with(session.id, session.serial) { (shard, index) throws(SessionError) in
            let entry = shard[index]
            return (
                entry.record, entry.slot < 0 && !entry.record.isDamaged ? entry.slab.slotBytes : 0,
                needs.move.map { Self.roomToMove(entry, keeping: $0) } ?? needs.room
            )
        }
    }

    /// Keeps the session from leaving the memory, or lets it, by one more or less of those who want that.
    func pin(_ session: SessionKey, _ change: Int) {
        try? with(session.id, session.serial) { (shard, index) throws(SessionError) in shard[index].pins += change }
    }

    /// Takes note that the state that the disk has of a session is damaged.
    func noteDamage(_ record: SessionRecord) {
        try? with(record.id, record.serial) { (shard, index) throws(SessionError) in
            guard shard[index].slot < 0, shard[index].record.version == record.version else { return }
            shard[index].record.isDamaged = true
        }
    }

    /// How often the session has left the memory.
    func departures(_ record: SessionRecord) -> Departures {
        (try? with(record.id, record.serial) { (shard, index) throws(SessionError) in shard[index].departures }) ?? 0
    }

    /// Whether that is the session as it stands, so that it can be placed.
    func fits(_ restoration: Restoration, _ entry: SessionShard.Entry) -> Bool {
        restoration.record.serial == entry.record.serial && restoration.record.version == entry.record.version
    }

    /// Puts a session whose inputs have all been absorbed into the memory, under `additions` and its shard's lock. A
    /// session that is there already, or has changed meanwhile, stays as it is.
    /// - Returns: bytes of memory that it has taken.
    @discardableResult
    func place(_ restoration: Restoration, _ shard: SessionShard, _ index: Int) -> Int {
        precondition(restoration.inputs.isEmpty, "\(restoration.inputs.count) inputs to be absorbed")
        guard shard[index].slot < 0, fits(restoration, shard[index]) else { return 0 }
        let slab = shard[index].slab
        let slot = slab.take()
        accounts.charge(slab.slotBytes)
        slab.write(slot, restoration.state)
        shard.enterMemory(index, slot: slot)
        shard[index].storedVersion = restoration.storedVersion
        store?.setPending(restoration.record.serial, nil)
        if isCrowded(by: 0) { store?.spill() }
        return slab.slotBytes
    }

    /// Takes what the session has beside its state out of the memory, if it stands as the store has it.
    func shedExtras(_ record: SessionRecord) {
        try? with(record.id, record.serial) { (shard, index) throws(SessionError) in
            guard shard[index].slot >= 0, shard[index].record.version == record.version else { return }
            shard.shedExtras(index)
        }
    }

    /// Whether the session is on disk only, and stands at that version.
    func isOnDisk(_ id: String, _ serial: UInt64, version: UInt64) -> Bool {
        let isOnDisk = try? with(id, serial) { (shard, index) throws(SessionError) in
            shard[index].slot < 0 && shard[index].record.version == version
        }
        return isOnDisk ?? false
    }

    /// The session as it stands in memory, if the commits up to that one are all there are of it.
    func snapshot(_ id: String, _ serial: UInt64, upTo commit: UInt64) -> StoredSession? {
        let found: StoredSession?? = try? with(id, serial) { (shard, index) throws(SessionError) in
            guard shard[index].slot >= 0, shard[index].lastCommit <= commit else { return nil }
            return shard[index].stored(withExtras: true, on: accounts.storeClock)
        }
        return found ?? nil
    }

    /// The store has the session whole as it stood at that version; 0 if it has not all of it.
    /// - Returns: whether there still is that session. One that has ended since it was copied has not told the store, which
    ///   it did not know then to have it.
    @discardableResult
    func noteStored(_ id: String, _ serial: UInt64, version: UInt64) -> Bool {
        let isLive = try? with(id, serial) { (shard, index) throws(SessionError) in
            shard[index].storedVersion = version
            return true
        }
        return isLive ?? false
    }

    /// Lets a session stand where the store has it; one that the store has not, never was.
    func revert(_ id: String, _ serial: UInt64, to version: UInt64, step: Int) {
        try? with(id, serial) { (shard, index) throws(SessionError) in
            guard version > 0 else {
                shard.remove(index, nil)
                return
            }
            shard.leaveMemory(index)
            (shard[index].record.version, shard[index].record.stateVersion) = (version, version)
            shard[index].record.step = step
            shard[index].record.commit = 0
        }
    }

    /// Who may leave the memory for others.
    enum Leaving {
        /// Sessions that nobody is at work on.
        case idle
        /// All but those of these serials, and those that something was granted for. What is at work on one fetches it
        /// back before it goes on.
        case allBut(Set<UInt64>)

        var isForced: Bool { if case .allBut = self { true } else { false } }

        func includes(_ entry: SessionShard.Entry) -> Bool {
            guard entry.pins == 0 else { return false }
            switch self {
            case .idle: return entry.holds == 0
            case .allBut(let serials): return !serials.contains(entry.record.serial)
            }
        }
    }

    /// The sessions used least recently, of those that may leave: those that the store has not as they stand, with
    /// their states, and those that it has. Those that are forced to leave do not move until they have left or `stay`:
    /// what moves all the time would otherwise stay all the time.
    func coldest(
        _ limit: Int, of leaving: Leaving, upTo commit: UInt64
    ) -> (dirty: [StoredSession], clean: [SessionRecord]) {
        var found: [(shard: SessionShard, serial: UInt64, id: String, use: UInt64)] = []
        for shard in shards {
            shard.lock.withLock {
                shard.expire()
                for (index, use) in shard.coldest(limit, leaving.includes) {
                    found.append((shard, shard[index].record.serial, shard[index].record.id, use))
                }
            }
        }
        found.sort { $0.use < $1.use }
        var (dirty, clean): ([StoredSession], [SessionRecord]) = ([], [])
        for item in found.prefix(limit) {
            try? with(item.id, item.serial) { (shard, index) throws(SessionError) in
                let entry = shard[index]
                guard entry.slot >= 0, leaving.includes(entry), entry.lastCommit <= commit else { return }
                if leaving.isForced { shard[index].isLeaving = true }
                // What moves without the store's knowing is marked so there, and must be written to be unmarked.
                if entry.storedVersion == entry.record.version, entry.record.policy.durability != .none {
                    clean.append(entry.record)
                } else {
                    dirty.append(entry.stored(withExtras: true, on: accounts.storeClock))
                }
            }
        }
        return (dirty, clean)
    }

    /// Lets a session that was to leave the memory move again.
    func stay(_ record: SessionRecord) {
        try? with(record.id, record.serial) { (shard, index) throws(SessionError) in shard[index].isLeaving = false }
    }

    /// Takes a session out of the memory if it stands as the store has it, with all that was queued of it among the
    /// commits up to that one, and may still leave. False when not.
    @discardableResult
    func leaveMemory(_ record: SessionRecord, if leaving: Leaving, upTo commit: UInt64) -> Bool {
        let hasLeft = try? with(record.id, record.serial) { (shard, index) throws(SessionError) in
            let entry = shard[index]
            guard entry.slot >= 0, leaving.includes(entry), entry.record.version == record.version,
                entry.storedVersion == record.version, entry.lastCommit <= commit
            else { return false }
            shard.leaveMemory(index)
            if record.policy.durability == .none {
                _ = store?.append([shard[index].change(.left, from: record)])
            }
            return true
        }
        return hasLeft ?? false
    }

    /// Calls `body` with the sessions that only the memory has, so many at a time.
    func forEachUnsaved(chunk: Int, _ body: ([StoredSession]) -> Void) {
        var chunkOfSessions: [StoredSession] = []
        for shard in shards {
            shard.lock.withLock {
                for entry in shard.entries {
                    guard let entry, entry.slot >= 0 else { continue }
                    let isJournaled = entry.record.policy.durability != .none
                    if !isJournaled || store?.behind[entry.record.serial] != nil {
                        chunkOfSessions.append(entry.stored(withExtras: true, on: accounts.storeClock))
                    }
                    if chunkOfSessions.count == chunk {
                        body(chunkOfSessions)
                        chunkOfSessions.removeAll()
                    }
                }
            }
        }
        if !chunkOfSessions.isEmpty { body(chunkOfSessions) }
    }
}
