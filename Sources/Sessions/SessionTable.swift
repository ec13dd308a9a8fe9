import Kernels
import Synchronization
import Threading

/// The states of all live sessions, bounded in bytes; the least recently used make room.
///
/// Every member may be called from any thread. Sessions lie in shards by their names, each with a lock that is held for
/// one lookup or one copy of a state; whatever adds to the memory in use has a turn of its own before it, so that what
/// was checked is still true when it is done. The order of operations on one session is the scheduler's business; the
/// table makes each of them atomic.
public final class SessionTable: @unchecked Sendable {
    /// Bytes a session costs beside its state: its record, its name, its place in the lists.
    public static let overheadBytes = 256
    /// Bytes a state to go back to costs beside the state.
    public static let checkpointBytes = 128

    let accounts: SessionAccounts
    private let shards: [SessionShard]
    /// Held by who may add to the memory in use. Taken before a shard's lock.
    private let additions = Lock()
    /// Under `additions`, as is the next one:
    private var slabs: [String: StateSlab] = [:]
    private var nextSerial: UInt64 = 1

    /// - Parameters:
    ///   - budget: bytes for all sessions together.
    ///   - tombstones: gone sessions to remember.
    ///   - shards: parts with a lock each.
    ///   - clock: seconds since 1970.
    public init(budget: Int, tombstones: Int = 100_000, shards: Int = 16, clock: @escaping @Sendable () -> Double) {
        let accounts = SessionAccounts(budget: budget, tombstones: tombstones, clock: clock)
        self.accounts = accounts
        self.shards = (0..<shards).map { _ in SessionShard(accounts) }
    }

    /// Bytes that states and their overhead may take.
    public var budget: Int { accounts.budget }

    /// Sessions that have ended so far: as long as it stays, none of those at hand has.
    public var removals: Int { accounts.removals }

    /// Live sessions.
    public var count: Int {
        shards.reduce(0) { sum, shard in
            shard.lock.withLock {
                shard.expire()
                return sum + shard.count
            }
        }
    }

    /// Bytes that the sessions take, of the budget.
    public var usedMemory: Int { accounts.usedBytes }

    /// For tests.
    var alarmCount: Int { shards.reduce(0) { sum, shard in shard.lock.withLock { sum + shard.alarmCount } } }

    // MARK: Looking up

    /// The session called `id`. Does not count as a use.
    public func record(_ id: String) throws(SessionError) -> SessionRecord {
        try with(id) { (shard, index) throws(SessionError) in shard[index].record }
    }

    /// Up to `limit` sessions in order of creation, those made after the session `after`, and whether more follow.
    public func list(limit: Int, after: String?) throws(SessionError) -> (records: [SessionRecord], more: Bool) {
        var serial: UInt64 = 0
        if let after {
            do throws(SessionError) {
                serial = try record(after).serial
            } catch {
                guard let stone = accounts.stone(after) else { throw .unknown(id: after) }
                serial = stone.serial
            }
        }
        var records: [SessionRecord] = []
        for shard in shards {
            records += shard.lock.withLock { shard.records(after: serial, limit: limit + 1) }
        }
        records.sort { $0.serial < $1.serial }
        return (Array(records.prefix(limit)), records.count > limit)
    }

    /// Throws what became of the session called `id` with that serial, if it has ended.
    public func check(_ id: String, serial: UInt64) throws(SessionError) {
        try with(id, serial) { (_, _) throws(SessionError) in }
    }

    /// Copies the state of `id` into row `row` of `states` and marks it used.
    ///
    /// With a `serial` it must be that very session. A session of another model than `model` has taken the name of one
    /// that ended: unknown.
    public func load(
        _ id: String, serial: UInt64? = nil, into states: Matrix, row: Int, model: String
    ) throws(SessionError) -> SessionRecord {
        try with(id, serial) { (shard, index) throws(SessionError) in
            guard shard[index].record.model == model else { throw .unknown(id: id) }
            shard.touch(index)
            shard[index].slab.read(shard[index].slot, into: states, row: row)
            return shard[index].record
        }
    }

    // MARK: Making and ending

    /// Makes a session of `model` that stands at `step` with row `row` of `states`. Evicts as needed.
    public func create(
        id wanted: String?, model: String, from states: Matrix, row: Int, step: Int,
        policy: SessionPolicy = SessionPolicy()
    ) throws(SessionError) -> SessionRecord {
        try additions.withLock { () throws(SessionError) in
            let id = wanted ?? SessionID.random()
            try requireFree(id)
            let slab = slabs[model] ?? StateSlab(slotBytes: states.columns * MemoryLayout<Float>.size)
            let cost = slab.slotBytes + Self.overheadBytes
            guard cost <= budget else { throw .storeFull(needed: cost, budget: budget) }
            slabs[model] = slab
            try makeRoom(cost)
            let slot = slab.take()
            accounts.charge(slab.slotBytes)
            slab.write(slot, from: states, row: row)
            return insert(id, model, step, policy, slab, slot: slot, at: accounts.clock())
        }
    }

    /// Makes sessions that stand where the one called `id` stands, all of them or none; nil for a server-made name.
    /// They share its state's memory until they move. Evicts others as needed.
    public func fork(_ id: String, serial: UInt64, into wanted: [String?]) throws(SessionError) -> [SessionRecord] {
        try additions.withLock { () throws(SessionError) in
            let parent = try with(id, serial) { (shard, index) throws(SessionError) in shard[index] }
            let ids = wanted.map { $0 ?? SessionID.random() }
            var seen = Set<String>(minimumCapacity: ids.count)
            for id in ids {
                try requireFree(id)
                if !seen.insert(id).inserted { throw .exists(id: id) }
            }
            let cost = ids.count * Self.overheadBytes
            let least = cost + parent.record.stateBytes + Self.overheadBytes
            guard least <= budget else { throw .storeFull(needed: least, budget: budget) }
            let slot = try with(id, serial) { (shard, index) throws(SessionError) in
                shard.touch(index)
                shard[index].slab.share(shard[index].slot, by: ids.count)
                return shard[index].slot
            }
            do throws(SessionError) {
                try makeRoom(cost, sparing: serial)
            } catch {
                for _ in ids { accounts.release(slot, of: parent.slab) }
                throw error
            }
            let (record, now) = (parent.record, accounts.clock())
            return ids.map { insert($0, record.model, record.step, record.policy, parent.slab, slot: slot, at: now) }
        }
    }

    /// Ends the session called `id`.
    public func delete(_ id: String) throws(SessionError) {
        try with(id) { (shard, index) throws(SessionError) in shard.remove(index, .deleted) }
    }

    // MARK: Moving

    /// Moves the session to `step` with row `row` of `states`, and keeps the reply to the request that did that, if it
    /// may come again. `serial` is of the load before: a session that ended in the meantime is gone, even if its name
    /// was taken anew.
    public func save(
        _ id: String, serial: UInt64, from states: Matrix, row: Int, step: Int, reply: StoredReply? = nil
    ) throws(SessionError) -> SessionRecord {
        let moved: SessionRecord? = try with(id, serial) { (shard, index) throws(SessionError) in
            shard.touch(index)
            let entry = shard[index]
            guard reply == nil, entry.record.policy.recentStates == 0, !entry.slab.isShared(entry.slot) else {
                return nil
            }
            shard[index].record.step = step
            entry.slab.write(entry.slot, from: states, row: row)
            return shard[index].record
        }
        if let moved { return moved }
        return try additions.withLock { () throws(SessionError) in
            try makeRoomToMove(id, serial, reply)
            return try with(id, serial) { (shard, index) throws(SessionError) in
                leaveSlot(shard, index)
                shard[index].slab.write(shard[index].slot, from: states, row: row)
                shard[index].record.step = step
                if let reply { shard.changeExtras(index) { $0.keep(reply) } }
                return shard[index].record
            }
        }
    }

    /// Names the state at which the session stands, so that it can be rewound to it; nil for a name made of its step.
    public func checkpoint(_ id: String, serial: UInt64, name: String?) throws(SessionError) -> Checkpoint {
        try additions.withLock { () throws(SessionError) in
            try with(id, serial) { (shard, index) throws(SessionError) in
                shard.touch(index)
                let made = shard[index].extras?.checkpoints ?? []
                let name = name ?? "step-\(shard[index].record.step)"
                if made.contains(where: { $0.name == name }) { throw .checkpointExists(name: name) }
                if made.count == Checkpoint.limit { throw .tooManyCheckpoints(limit: Checkpoint.limit) }
            }
            try makeRoom(Self.checkpointBytes, sparing: serial)
            return try with(id, serial) { (shard, index) throws(SessionError) in
                let (record, slot) = (shard[index].record, shard[index].slot)
                shard[index].slab.share(slot)
                let checkpoint = Checkpoint(
                    name: name ?? "step-\(record.step)", step: record.step, createdAt: record.lastUsedAt, slot: slot)
                shard.changeExtras(index) { $0.checkpoints.append(checkpoint) }
                return checkpoint
            }
        }
    }

    /// The states to which the session can be rewound, in order of time.
    public func checkpoints(_ id: String) throws(SessionError) -> [Checkpoint] {
        try with(id) { (shard, index) throws(SessionError) in shard[index].extras?.all ?? [] }
    }

    /// Forgets a named checkpoint.
    public func deleteCheckpoint(_ id: String, serial: UInt64, name: String) throws(SessionError) {
        try with(id, serial) { (shard, index) throws(SessionError) in
            let found = try (shard[index].extras ?? SessionExtras()).find(.checkpoint(name))
            shard.changeExtras(index) { extras in extras.checkpoints.removeAll { $0.name == name } }
            accounts.release(found.slot, of: shard[index].slab)
        }
    }

    /// Lets the session stand where it once stood. What it leaves is the latest of its recent states, if it keeps any.
    public func rewind(_ id: String, serial: UInt64, to target: RewindTarget) throws(SessionError) -> SessionRecord {
        try additions.withLock { () throws(SessionError) in
            try with(id, serial) { (shard, index) throws(SessionError) in
                let found = try (shard[index].extras ?? SessionExtras()).find(target)
                // Before anything is given back: it may be the oldest of the recent states.
                shard[index].slab.share(found.slot)
                shard.touch(index)
                if !retire(shard, index) { accounts.release(shard[index].slot, of: shard[index].slab) }
                shard[index].slot = found.slot
                shard[index].record.step = found.step
                return shard[index].record
            }
        }
    }

    /// The reply that is kept under the key.
    public func reply(_ id: String, serial: UInt64, key: String) throws(SessionError) -> StoredReply? {
        try with(id, serial) { (shard, index) throws(SessionError) in
            shard[index].extras?.replies.first { $0.key == key }
        }
    }

    // MARK: Holding

    /// Takes note of an operation on the session, which will not be idle before `release`.
    /// - Returns: the session's serial; nil when it has ended, or is not that one.
    public func hold(_ id: String, serial: UInt64?) -> UInt64? {
        try? with(id, serial) { (shard, index) throws(SessionError) in
            shard[index].holds += 1
            return shard[index].record.serial
        }
    }

    /// An operation that held the session has ended.
    public func release(_ id: String, serial: UInt64) {
        try? with(id, serial) { (shard, index) throws(SessionError) in
            shard[index].holds -= 1
            if shard[index].record.policy.idle < .infinity { shard[index].record.lastUsedAt = accounts.clock() }
        }
    }

    // MARK: Shards

    private func shard(_ id: String) -> SessionShard {
        shards[Int(UInt(bitPattern: id.hashValue) % UInt(shards.count))]
    }

    /// Does something with the session called `id`, under its shard's lock.
    private func with<R>(
        _ id: String, _ serial: UInt64? = nil, _ body: (SessionShard, Int) throws(SessionError) -> R
    ) throws(SessionError) -> R {
        let shard = shard(id)
        return try shard.lock.withLock { () throws(SessionError) in try body(shard, try shard.index(id, serial)) }
    }

    // MARK: Under `additions`

    private func requireFree(_ id: String) throws(SessionError) {
        precondition(SessionID.isValid(id), "session id \(id)")
        let shard = shard(id)
        let isTaken = shard.lock.withLock { shard.live(id, at: accounts.clock()) != nil }
        if isTaken { throw .exists(id: id) }
    }

    private func insert(
        _ id: String, _ model: String, _ step: Int, _ policy: SessionPolicy, _ slab: StateSlab, slot: Int,
        at now: Double
    ) -> SessionRecord {
        let record = SessionRecord(
            id: id, model: model, step: step, stateBytes: slab.slotBytes, createdAt: now, lastUsedAt: now,
            serial: nextSerial, policy: policy)
        nextSerial += 1
        let shard = shard(id)
        shard.lock.withLock { shard.insert(record, slab, slot: slot) }
        return record
    }

    /// Evicts until there is room for so many bytes, but not the session of that serial.
    private func makeRoom(_ bytes: Int, sparing serial: UInt64? = nil) throws(SessionError) {
        while accounts.usedBytes + bytes > budget {
            guard evictOldest(sparing: serial) else { throw .storeFull(needed: bytes, budget: budget) }
        }
    }

    /// Makes room for the slot that a session needs which shares its own or keeps it, and for a reply.
    private func makeRoomToMove(_ id: String, _ serial: UInt64, _ reply: StoredReply?) throws(SessionError) {
        while true {
            let needed = try with(id, serial) { (shard, index) throws(SessionError) in
                let entry = shard[index]
                let isKept = entry.record.policy.recentStates > 0
                let slot = isKept || entry.slab.isShared(entry.slot) ? entry.slab.slotBytes : 0
                return slot + (isKept ? Self.checkpointBytes : 0) + (reply?.bytes ?? 0)
            }
            guard accounts.usedBytes + needed > budget else { return }
            guard evictOldest(sparing: serial) else { throw .storeFull(needed: needed, budget: budget) }
        }
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

    /// Gives the session a slot of its own for the next state, if others have its slot or it is kept.
    private func leaveSlot(_ shard: SessionShard, _ index: Int) {
        let entry = shard[index]
        if !retire(shard, index) {
            guard entry.slab.isShared(entry.slot) else { return }
            accounts.release(entry.slot, of: entry.slab)
        }
        shard[index].slot = entry.slab.take()
        accounts.charge(entry.slab.slotBytes)
    }

    /// Makes the state that the session is about to leave one of its recent ones. False when it keeps none.
    private func retire(_ shard: SessionShard, _ index: Int) -> Bool {
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
