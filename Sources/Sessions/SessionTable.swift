import Kernels
import Synchronization
import Threading

/// The states of all live sessions, bounded in bytes; the least recently used make room.
///
/// Every member may be called from any thread. Sessions lie in shards by their names, each with a lock that is held for
/// one lookup or one copy of a state, and who takes several takes them in order; whatever adds to the memory in use has a turn of its own before it, so that what
/// was checked is still true when it is done. With a store behind it, sessions make room by moving to disk. The order of
/// operations on one session is the scheduler's business; the table makes each of them atomic.
public final class SessionTable: @unchecked Sendable {
    /// Bytes a session costs beside its state: its record, its name, its place in the lists.
    public static let overheadBytes = 256
    /// Bytes a state to go back to costs beside the state.
    public static let checkpointBytes = 128

    let accounts: SessionAccounts
    let shards: [SessionShard]
    /// Held by who may add to the memory in use. Taken before a shard's lock, which is taken before the store's.
    let additions = Lock()
    /// Under `additions`, as are the next four:
    private var slabs: [SlabKey: StateSlab] = [:]
    var nextSerial: UInt64 = 1
    var prefixes = PrefixTree()
    var prefixHits = 0
    var prefixMisses = 0
    let latestVersion = Atomic<UInt64>(0)

    private struct SlabKey: Hashable {
        let model: String
        /// Other weights under the same name may have states of another size.
        let slotBytes: Int
    }

    /// - Parameters:
    ///   - budget: bytes for all sessions together.
    ///   - tombstones: gone sessions to remember.
    ///   - shards: parts with a lock each.
    ///   - store: the tier behind the memory, whose sessions are taken in and which the table then uses.
    ///   - clock: seconds since 1970, which may be set forward and back.
    ///   - steady: seconds that only pass, by which sessions end; nil for the clock.
    public init(
        budget: Int, tombstones: Int = 100_000, shards: Int = 16, store: SessionStore? = nil,
        clock: @escaping @Sendable () -> Double, steady: (@Sendable () -> Double)? = nil
    ) throws(StoreError) {
        let accounts = SessionAccounts(
            budget: budget, tombstones: tombstones, store: store, clock: clock, steady: steady ?? clock)
        self.accounts = accounts
        self.shards = (0..<shards).map { _ in SessionShard(accounts) }
        try store?.start(self)
    }

    /// A table without a store.
    public convenience init(
        budget: Int, tombstones: Int = 100_000, shards: Int = 16, clock: @escaping @Sendable () -> Double,
        steady: (@Sendable () -> Double)? = nil
    ) {
        try! self.init(
            budget: budget, tombstones: tombstones, shards: shards, store: nil, clock: clock, steady: steady)
    }

    /// The tier behind the memory; nil where there is none.
    public var store: SessionStore? { accounts.store }

    /// Bytes that states and their overhead may take.
    public var budget: Int { accounts.budget }

    /// Seconds since 1970.
    public var now: Double { accounts.clock() }

    /// Has `call` called with each session that ends, under locks: it must not ask the table. Set before the first end.
    public func whenEnded(_ call: @escaping @Sendable (SessionRecord) -> Void) { accounts.setEndCall(call) }

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

    // MARK: Looking up

    /// The session called `id`. Does not count as a use.
    public func record(_ id: String) throws(SessionError) -> SessionRecord {
        try with(id) { (shard, index) throws(SessionError) in shard[index].record }
    }

    /// The session called `id` of that serial.
    func record(_ id: String, serial: UInt64) throws(SessionError) -> SessionRecord {
        try with(id, serial) { (shard, index) throws(SessionError) in shard[index].record }
    }

    /// Up to `limit` sessions of an owner in order of creation, those made after the session `after`, and whether more
    /// follow.
    public func list(
        limit: Int, after: String?, owner: String = ""
    ) throws(SessionError) -> (records: [SessionRecord], more: Bool) {
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
            records += shard.lock.withLock { shard.records(of: owner, after: serial, limit: limit + 1) }
        }
        records.sort { $0.serial < $1.serial }
        return (Array(records.prefix(limit)), records.count > limit)
    }

    /// The session of that name whose state is damaged, of that serial if there is one; nil where there is none.
    public func damaged(_ id: String, serial: UInt64?, model: String) -> SessionRecord? {
        let found = try? with(id, serial) { (shard, index) throws(SessionError) in shard[index].record }
        return found.flatMap { $0.isDamaged && $0.model == model ? $0 : nil }
    }

    /// Throws what became of the session called `id` with that serial, if it has ended.
    public func check(_ id: String, serial: UInt64) throws(SessionError) {
        try with(id, serial) { (_, _) throws(SessionError) in }
    }

    /// Copies the state of `id` into row `row` of `states` and marks it used.
    ///
    /// With a `serial` it must be that very session, and in any case one of `model`.
    /// - Parameters:
    ///   - fetched: what the store has given for it: a session that comes back from disk is placed and copied at once, so
    ///     that no other can take its place between.
    ///   - reservation: the memory for that.
    public func load(
        _ id: String, serial: UInt64? = nil, into states: Matrix, row: Int, model: String,
        _ fetched: Fetched = Fetched(), using reservation: Reservation? = nil
    ) throws(SessionError) -> SessionRecord {
        func copy(_ shard: SessionShard, _ index: Int) throws(SessionError) -> SessionRecord {
            let record = shard[index].record
            guard record.model == model else { throw .otherModel(id: id, model: record.model) }
            if record.isDamaged { throw .gone(id: id, reason: .damaged, lastStep: record.step) }
            guard shard[index].isHere else { throw .onDisk }
            shard.touch(index)
            shard[index].slab.read(shard[index].slot, into: states, row: row)
            return shard[index].record
        }
        guard let restoration = fetched.restoration else { return try with(id, serial, copy) }
        return try additions.withLock { () throws(SessionError) in
            // What else is reserved stays so until the session moves.
            spend(reservation, upTo: restoration.record.stateBytes)
            return try with(id, serial) { (shard, index) throws(SessionError) in
                place(restoration, shard, index)
                return try copy(shard, index)
            }
        }
    }

    // MARK: Making and ending

    /// Makes a session of `model` that stands at `step` with row `row` of `states`. Evicts as needed.
    /// - Parameters:
    ///   - wanted: what the table is to call it; nil for a server-made name.
    ///   - quota: of `owner`, whose it is.
    ///   - time: of its creation, seconds since 1970; nil for now.
    ///   - reply: to the request that makes it, if it may come again.
    ///   - replacing: whether it takes the place of a session of that name, which ends.
    public func create(
        id wanted: String?, model: String, from states: Matrix, row: Int, step: Int,
        policy: SessionPolicy = SessionPolicy(), owner: String = "", quota: SessionQuota? = nil, at time: Double? = nil,
        reply: StoredReply? = nil, replacing: Bool = false, using reservation: Reservation? = nil
    ) throws(SessionError) -> SessionRecord {
        try additions.withLock { () throws(SessionError) in
            let reserved = spend(reservation)
            try requireStore(policy)
            let id = wanted ?? SessionID.scoped(SessionID.random(), owner: owner)
            let old = replacing ? try? record(id) : nil
            if !replacing { try requireFree(id) }
            let stateBytes = states.columns * MemoryLayout<Float>.size
            try accounts.require(quota, of: owner, sessions: 1, bytes: stateBytes, insteadOf: old)
            let cost = stateBytes + Self.overheadBytes + (reply?.bytes ?? 0)
            guard cost <= budget else { throw .storeFull(needed: cost, budget: budget) }
            try requireNameRoom(for: old == nil ? 1 : 0, stateBytes: stateBytes)
            try makeRoom(reserved: reserved) { cost }
            // Nothing can fail any more.
            if old != nil { _ = try? delete(id) }
            let slab = slab(model, stateBytes)
            let slot = slab.take()
            accounts.charge(slab.slotBytes)
            slab.write(slot, from: states, row: row)
            return insert([id], model, step, policy, slab, slot: slot, at: time ?? accounts.clock(), reply)[0]
        }
    }

    /// Makes sessions that stand where the one called `id` stands, all of them or none; nil for a server-made name.
    /// They share its state's memory until they move. Evicts others as needed.
    /// - Parameters:
    ///   - time: of their creation, seconds since 1970; nil for now.
    ///   - reply: to the request, if it may come again; the parent keeps it.
    public func fork(
        _ id: String, serial: UInt64, into wanted: [String?], quota: SessionQuota? = nil, at time: Double? = nil,
        reply: StoredReply? = nil, using reservation: Reservation? = nil
    ) throws(SessionError) -> [SessionRecord] {
        try additions.withLock { () throws(SessionError) in
            let reserved = spend(reservation)
            let parent = try withState(id, serial) { (shard, index) throws(SessionError) in shard[index] }
            try requireStore(parent.record.policy)
            let owner = SessionID.owner(id)
            let ids = wanted.map { $0 ?? SessionID.scoped(SessionID.random(), owner: owner) }
            var seen = Set<String>(minimumCapacity: ids.count)
            for id in ids {
                try requireFree(id)
                if !seen.insert(id).inserted { throw .exists(id: id) }
            }
            try accounts.require(quota, of: owner, sessions: ids.count, bytes: parent.record.stateBytes)
            let cost = ids.count * Self.overheadBytes + (reply?.bytes ?? 0)
            let least = cost + parent.record.stateBytes + Self.overheadBytes
            guard least <= budget else { throw .storeFull(needed: least, budget: budget) }
            try requireNameRoom(for: ids.count, stateBytes: parent.record.stateBytes)
            let slot = try withState(id, serial) { (shard, index) throws(SessionError) in
                shard.touch(index)
                shard[index].slab.share(shard[index].slot, by: ids.count)
                return shard[index].slot
            }
            do throws(SessionError) {
                try makeRoom(for: (id, serial), reserved: reserved) { cost }
            } catch {
                for _ in ids { accounts.release(slot, of: parent.slab) }
                throw error
            }
            let (record, now) = (parent.record, time ?? accounts.clock())
            return insert(
                ids, record.model, record.step, record.policy, parent.slab, slot: slot, at: now, reply, of: record)
        }
    }

    /// Ends the session called `id`, of that serial if there is one.
    /// - Returns: the store's commit after which it cannot come back.
    @discardableResult
    public func delete(_ id: String, serial: UInt64? = nil) throws(SessionError) -> UInt64 {
        try with(id, serial) { (shard, index) throws(SessionError) in shard.remove(index, .deleted) }
    }

    // MARK: Shards

    private func shardIndex(_ id: String) -> Int { Int(UInt(bitPattern: id.hashValue) % UInt(shards.count)) }

    func shard(_ id: String) -> SessionShard { shards[shardIndex(id)] }

    /// Does something under the locks of several shards, which are in order.
    private func withLocks(of indices: ArraySlice<Int>, _ body: () -> Void) {
        guard let first = indices.first else { return body() }
        shards[first].lock.withLock { withLocks(of: indices.dropFirst(), body) }
    }

    /// Does something with the session called `id`, under its shard's lock.
    func with<R>(
        _ id: String, _ serial: UInt64? = nil, _ body: (SessionShard, Int) throws(SessionError) -> R
    ) throws(SessionError) -> R {
        let shard = shard(id)
        return try shard.lock.withLock { () throws(SessionError) in try body(shard, try shard.index(id, serial)) }
    }

    /// The same, for what needs the session's state: it must be in memory.
    func withState<R>(
        _ id: String, _ serial: UInt64? = nil, _ body: (SessionShard, Int) throws(SessionError) -> R
    ) throws(SessionError) -> R {
        try with(id, serial) { (shard, index) throws(SessionError) in
            guard shard[index].isHere else { throw .onDisk }
            return try body(shard, index)
        }
    }

    /// The same, for what gives the session another state, or tells which there are: its own may be damaged.
    func withStateOrDamage<R>(
        _ id: String, _ serial: UInt64, _ body: (SessionShard, Int) throws(SessionError) -> R
    ) throws(SessionError) -> R {
        try with(id, serial) { (shard, index) throws(SessionError) in
            guard shard[index].isHere || shard[index].record.isDamaged else { throw .onDisk }
            return try body(shard, index)
        }
    }

    /// Refuses a durable session for which the store has fallen too far behind.
    func requireStore(_ policy: SessionPolicy) throws(SessionError) {
        if policy.durability != .none { try store?.requireRoom() }
    }

    // MARK: Under `additions`

    private func requireFree(_ id: String) throws(SessionError) {
        precondition(SessionID.isScoped(id), "session id \(id)")
        let shard = shard(id)
        let isTaken = shard.lock.withLock { shard.live(id, at: accounts.steady()) != nil }
        if isTaken { throw .exists(id: id) }
    }

    func slab(_ model: String, _ stateBytes: Int) -> StateSlab {
        let key = SlabKey(model: model, slotBytes: stateBytes)
        let slab = slabs[key] ?? StateSlab(slotBytes: stateBytes)
        slabs[key] = slab
        return slab
    }

    /// Takes in sessions whose one state is in `slot`, and keeps the reply to the request that makes them: with the one
    /// that they are forks of, or with the one that it is.
    private func insert(
        _ ids: [String], _ model: String, _ step: Int, _ policy: SessionPolicy, _ slab: StateSlab, slot: Int,
        at now: Double, _ reply: StoredReply?, of parent: SessionRecord? = nil
    ) -> [SessionRecord] {
        let isDurable = accounts.store != nil && policy.durability != .none
        let state = isDurable ? slab.bytes(slot) : []
        var (records, changes): ([SessionRecord], [StoreChange]) = ([], [])
        var extras = StoredSession.Extras()
        if let reply, parent == nil { extras.replies = [reply] }
        for id in ids {
            var record = SessionRecord(
                id: id, model: model, step: step, stateBytes: slab.slotBytes, createdAt: now, lastUsedAt: now,
                serial: nextSerial, policy: policy)
            nextSerial += 1
            record.version = latestVersion.add(1, ordering: .relaxed).newValue
            record.stateVersion = record.version
            records.append(record)
            guard isDurable else { continue }
            var stored = record
            stored.createdAt = accounts.storeClock.time(now, steady: accounts.steady())
            stored.lastUsedAt = stored.createdAt
            changes.append(
                StoreChange(
                    id: id, serial: record.serial, previous: 0, previousStep: 0, version: record.version,
                    isAwaited: policy.durability == .sync,
                    kind: .whole(StoredSession(record: stored, state: state, extras: extras))))
        }
        // Nobody finds one before the store knows of it: what is done to it then comes behind.
        withLocks(of: Set((ids + (parent.map { [$0.id] } ?? [])).map(shardIndex)).sorted()[...]) {
            let home = reply == nil ? nil : parent.flatMap { try? shard($0.id).index($0.id, $0.serial) }
            // It may have left the memory since it was looked at.
            let isOnDisk = home.map { shard(parent!.id)[$0].slot < 0 } ?? false
            if let home, let reply, let parent, isDurable || isOnDisk {
                changes.insert(shard(parent.id)[home].change(.reply(reply), from: parent), at: 0)
            }
            let commit = changes.isEmpty ? 0 : accounts.store!.append(changes)
            for index in records.indices {
                if policy.durability == .sync { records[index].commit = commit }
                let shard = shard(records[index].id)
                let entry = shard.insert(records[index], slab, slot: slot)
                shard[entry].lastCommit = commit
                if let reply, parent == nil { shard.changeExtras(entry) { $0.keep(reply) } }
            }
            guard let home, let reply, let parent else { return }
            let keeper = shard(parent.id)
            if isDurable || isOnDisk { keeper[home].lastCommit = commit }
            if isDurable, policy.durability == .sync { keeper[home].record.commit = commit }
            if isOnDisk {
                keeper[home].hasStoredExtras = true
            } else {
                keeper.changeExtras(home) { $0.keep(reply) }
                // What is being written of it at this moment is no longer all of it.
                if !isDurable { keeper[home].record.version = latestVersion.add(1, ordering: .relaxed).newValue }
            }
        }
        if isCrowded(by: 0) { store?.spill() }
        return records
    }
}
