import HeapModule
import Threading

/// The sessions that fall into one part of the table by their names.
///
/// All members but `lock` are under the lock: that makes `@unchecked Sendable` true. A shard never locks another.
final class SessionShard: @unchecked Sendable {
    struct Entry {
        var record: SessionRecord
        let slab: StateSlab
        /// Of the slab; −1 while the state is on disk only.
        var slot: Int
        /// Operations on it that are under way or waiting: as long as there are any it is not idle.
        var holds = 0
        /// Grants of the store for operations on it: as long as there are any it does not leave the memory.
        var pins = 0
        /// Whether it is being forced out of the memory: then it does not move.
        var isLeaving = false
        /// Its last use; the least of all sessions is the first to make room.
        var use: UInt64
        var extras: SessionExtras?
        /// Whether the store may have checkpoints or replies of it that are not in `extras`.
        var hasStoredExtras = false
        /// How often it has left the memory.
        var departures: Departures = 0
        /// Seconds on the steady clock at which it was last used, and at which it was made.
        var restsSince: Double
        let born: Double
        /// The version at which the store has it whole; 0 where it has not.
        var storedVersion: UInt64 = 0
        /// The last commit that is of it.
        var lastCommit: UInt64 = 0

        /// Whether it can be used and moved as it is.
        var isHere: Bool { slot >= 0 && !isLeaving }
        /// Whether the store knows of it.
        var isStored: Bool { storedVersion > 0 || lastCommit > 0 }

        /// Whether its time has come, at that time on the steady clock.
        func hasEnded(at now: Double) -> Bool {
            now >= born + record.policy.total || holds == 0 && now >= restsSince + record.policy.idle
        }
    }

    let lock = Lock()
    let accounts: SessionAccounts
    private(set) var entries: [Entry?] = []
    private var freeEntries: [Int] = []
    private var indices: [String: Int] = [:]
    private var uses = LinkedOrder()
    /// Of each owner's sessions.
    private var creations: [String: CreationOrder] = [:]
    /// One for each session that may expire. They are set back only when they ring.
    private var alarms = Heap<ExpiryAlarm>()

    init(_ accounts: SessionAccounts) { self.accounts = accounts }

    var count: Int { indices.count }
    /// Sessions whose states are in memory.
    private(set) var inMemory = 0
    var alarmCount: Int { alarms.count }
    var alarmTimes: [Double] { alarms.unordered.map(\.time) }

    subscript(index: Int) -> Entry {
        // Read in place: an entry is some hundred bytes.
        _read { yield entries[index]! }
        _modify { yield &entries[index]! }
    }

    // MARK: Looking up

    /// The session called `id`, which is ended here if its time has come and no call has come to that yet.
    func live(_ id: String, at now: Double) -> Int? {
        guard let index = indices[id] else { return nil }
        guard self[index].hasEnded(at: now) else { return index }
        remove(index, .expired)
        return nil
    }

    /// The session called `id`, of that serial if there is one.
    func index(_ id: String, _ serial: UInt64? = nil) throws(SessionError) -> Int {
        if let index = live(id, at: expire()), serial == nil || self[index].record.serial == serial { return index }
        if let stone = accounts.stone(id, serial) { throw stone.error }
        throw .unknown(id: id)
    }

    /// Up to `limit` sessions of an owner in order of creation, those made after the one of that serial.
    func records(of owner: String, after serial: UInt64, limit: Int) -> [SessionRecord] {
        let now = expire()
        guard let creations = creations[owner] else { return [] }
        var records: [SessionRecord] = []
        for item in creations.items[creations.position(after: serial)...] {
            guard let entry = entries[item.index], entry.record.serial == item.serial, !entry.hasEnded(at: now) else {
                continue
            }
            records.append(entry.record)
            if records.count == limit { break }
        }
        return records
    }

    /// The least recently used session but the one of that serial, and the number of its use.
    func oldest(sparing serial: UInt64?) -> (index: Int, use: UInt64)? {
        var index = uses.first
        if index >= 0, self[index].record.serial == serial { index = uses.next(after: index) }
        return index < 0 ? nil : (index, self[index].use)
    }

    // MARK: Moving

    /// Takes in a session whose state is in `slot` and paid for.
    /// - Parameter rest: seconds since it was last used and since it was made.
    @discardableResult
    func insert(
        _ record: SessionRecord, _ slab: StateSlab, slot: Int, rest: (use: Double, creation: Double) = (0, 0)
    ) -> Int {
        let now = accounts.steady()
        accounts.charge(SessionTable.overheadBytes)
        accounts.forget(record.id)
        let index = freeEntries.popLast() ?? entries.count
        if index == entries.count { entries.append(nil) }
        entries[index] = Entry(
            record: record, slab: slab, slot: slot, use: accounts.nextUse(), restsSince: now - rest.use,
            born: now - rest.creation)
        indices[record.id] = index
        if slot >= 0 {
            uses.append(index)
            inMemory += 1
        }
        creations[SessionID.owner(record.id), default: CreationOrder()].append(serial: record.serial, index: index)
        accounts.count(record, 1)
        setAlarm(index, after: now)
        // Alarms of sessions that ended otherwise must not gather until their time.
        if alarms.count > 2 * indices.count + 1000 {
            alarms = Heap()
            for index in indices.values { setAlarm(index, after: now) }
        }
        return index
    }

    /// Takes note of a use.
    func touch(_ index: Int) {
        rest(index)
        self[index].use = accounts.nextUse()
        guard self[index].slot >= 0, uses.last != index else { return }
        uses.remove(index)
        uses.append(index)
    }

    /// Takes note that the session is at rest from now on.
    func rest(_ index: Int) {
        self[index].record.lastUsedAt = accounts.clock()
        self[index].restsSince = accounts.steady()
    }

    /// Gives the session a slot, which is paid for.
    func enterMemory(_ index: Int, slot: Int) {
        (self[index].slot, self[index].record.isInMemory) = (slot, true)
        self[index].use = accounts.nextUse()
        uses.append(index)
        inMemory += 1
    }

    /// Takes its slot, and what it has beside its state, from the session.
    func leaveMemory(_ index: Int) {
        let entry = self[index]
        guard entry.slot >= 0 else { return }
        uses.remove(index)
        inMemory -= 1
        accounts.release(entry.slot, of: entry.slab)
        shedExtras(index)
        if let extras = self[index].extras {
            accounts.charge(-extras.bytes)
            for state in extras.recent { accounts.release(state.slot, of: entry.slab) }
        }
        (self[index].slot, self[index].record.isInMemory, self[index].extras) = (-1, false, nil)
        self[index].isLeaving = false
        self[index].departures &+= 1
    }

    /// Gives the memory of the checkpoints and replies back, which the store has.
    func shedExtras(_ index: Int) {
        guard let extras = self[index].extras, extras.hasStorable else { return }
        for checkpoint in extras.checkpoints { accounts.release(checkpoint.slot, of: self[index].slab) }
        changeExtras(index) { ($0.checkpoints, $0.replies) = ([], []) }
        self[index].hasStoredExtras = true
    }

    /// Gives up the oldest recent state of a session. False when it has none.
    func dropRecent(_ index: Int) -> Bool {
        guard let extras = self[index].extras, !extras.recent.isEmpty else { return false }
        let oldest = changeExtras(index) { $0.recent.removeFirst() }
        accounts.release(oldest.slot, of: self[index].slab)
        return true
    }

    /// The sessions used least recently that may leave the memory, at most so many, with the numbers of their uses.
    func coldest(_ limit: Int, _ mayLeave: (Entry) -> Bool) -> [(index: Int, use: UInt64)] {
        var found: [(index: Int, use: UInt64)] = []
        var index = uses.first
        while index >= 0, found.count < limit {
            if mayLeave(self[index]) { found.append((index, self[index].use)) }
            index = uses.next(after: index)
        }
        return found
    }

    /// Changes what a session has beside its state, and pays for the difference.
    func changeExtras<R, E: Error>(_ index: Int, _ body: (SessionExtras) throws(E) -> R) throws(E) -> R {
        let extras = self[index].extras ?? SessionExtras()
        let before = extras.bytes
        self[index].extras = extras
        defer { accounts.charge(extras.bytes - before) }
        return try body(extras)
    }

    /// Ends a session. Without a reason it has never been.
    /// - Returns: the commit after which it cannot come back.
    @discardableResult
    func remove(_ index: Int, _ reason: SessionError.GoneReason?) -> UInt64 {
        let entry = self[index]
        leaveMemory(index)
        accounts.charge(-SessionTable.overheadBytes)
        indices[entry.record.id] = nil
        entries[index] = nil
        freeEntries.append(index)
        accounts.count(entry.record, -1)
        accounts.tellEnd(entry.record)
        let owner = SessionID.owner(entry.record.id)
        creations[owner]!.noteEnd { entries[$0.index]?.record.serial == $0.serial }
        if creations[owner]!.items.isEmpty { creations[owner] = nil }
        guard let reason else {
            accounts.noteRemoval()
            return 0
        }
        accounts.bury(
            .init(id: entry.record.id, reason: reason, lastStep: entry.record.step, serial: entry.record.serial))
        guard entry.isStored, let store = accounts.store else { return 0 }
        store.setPending(entry.record.serial, nil)
        return store.append([entry.change(.removed, from: entry.record, isAwaited: reason == .deleted)])
    }

    // MARK: Expiry

    /// Ends sessions whose time has come and returns the time on the steady clock. Where there are many at once, later calls end the rest.
    @discardableResult
    func expire() -> Double {
        let now = accounts.steady()
        var looked = 0
        while let alarm = alarms.min, alarm.time <= now, looked < 100 {
            alarms.removeMin()
            looked += 1
            guard let entry = entries[alarm.index], entry.record.serial == alarm.serial else { continue }
            if entry.hasEnded(at: now) {
                remove(alarm.index, .expired)
            } else {
                // A session that is held counts from now at the earliest.
                setAlarm(alarm.index, after: now)
            }
        }
        return now
    }

    private func setAlarm(_ index: Int, after now: Double) {
        let entry = self[index]
        let idleEnd = (entry.holds > 0 ? now : entry.restsSince) + entry.record.policy.idle
        let time = min(idleEnd, entry.born + entry.record.policy.total)
        if time < .infinity { alarms.insert(ExpiryAlarm(time: time, serial: entry.record.serial, index: index)) }
    }
}

extension SessionShard.Entry {
    /// A change that leads from `before` to where the session stands.
    func change(_ kind: StoreChange.Kind, from before: SessionRecord, isAwaited: Bool? = nil) -> StoreChange {
        StoreChange(
            id: record.id, serial: record.serial, previous: before.version, previousStep: before.step,
            version: record.version, isAwaited: isAwaited ?? (record.policy.durability == .sync), kind: kind)
    }

    /// The session with a copy of its state, and of what it has beside it if that is wanted; its times are on the
    /// store's clock.
    func stored(withExtras: Bool, on clock: StoreClock) -> StoredSession {
        var stored = StoredSession(record: record, state: slab.bytes(slot))
        stored.record.createdAt = clock.time(record.createdAt, steady: born)
        stored.record.lastUsedAt = lastUse(on: clock)
        if withExtras {
            let checkpoints = (extras?.checkpoints ?? []).map(stored(_:))
            stored.extras = StoredSession.Extras(checkpoints: checkpoints, replies: extras?.replies ?? [])
        }
        return stored
    }

    /// Its last use, on the store's clock.
    func lastUse(on clock: StoreClock) -> Double { clock.time(record.lastUsedAt, steady: restsSince) }

    func stored(_ checkpoint: Checkpoint) -> StoredCheckpoint {
        StoredCheckpoint(
            name: checkpoint.name!, step: checkpoint.step, createdAt: checkpoint.createdAt,
            state: slab.bytes(checkpoint.slot))
    }
}
