import HeapModule
import Threading

/// The sessions that fall into one part of the table by their names.
///
/// All members but `lock` are under the lock: that makes `@unchecked Sendable` true. A shard never locks another.
final class SessionShard: @unchecked Sendable {
    struct Entry {
        var record: SessionRecord
        let slab: StateSlab
        /// Of the slab.
        var slot: Int
        /// Operations on it that are under way or waiting: as long as there are any it is not idle.
        var holds = 0
        /// Its last use; the least of all sessions is the first to make room.
        var use: UInt64
        var extras: SessionExtras?

        func hasEnded(at now: Double) -> Bool {
            now >= record.createdAt + record.policy.total || holds == 0 && now >= record.expiresAt
        }
    }

    let lock = Lock()
    private let accounts: SessionAccounts
    private(set) var entries: [Entry?] = []
    private var freeEntries: [Int] = []
    private var indices: [String: Int] = [:]
    private var uses = LinkedOrder()
    private var creations = CreationOrder()
    /// One for each session that may expire. They are set back only when they ring.
    private var alarms = Heap<ExpiryAlarm>()

    init(_ accounts: SessionAccounts) { self.accounts = accounts }

    var count: Int { indices.count }
    var alarmCount: Int { alarms.count }

    subscript(index: Int) -> Entry {
        get { entries[index]! }
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

    /// Up to `limit` sessions in order of creation, those made after the one of that serial.
    func records(after serial: UInt64, limit: Int) -> [SessionRecord] {
        let now = expire()
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
    func insert(_ record: SessionRecord, _ slab: StateSlab, slot: Int) {
        accounts.charge(SessionTable.overheadBytes)
        accounts.forget(record.id)
        let index = freeEntries.popLast() ?? entries.count
        if index == entries.count { entries.append(nil) }
        entries[index] = Entry(record: record, slab: slab, slot: slot, use: accounts.nextUse())
        indices[record.id] = index
        uses.append(index)
        creations.append(serial: record.serial, index: index)
        setAlarm(index, after: record.createdAt)
        // Alarms of sessions that ended otherwise must not gather until their time.
        if alarms.count > 2 * indices.count + 1000 {
            alarms = Heap()
            for index in indices.values { setAlarm(index, after: record.createdAt) }
        }
    }

    /// Takes note of a use.
    func touch(_ index: Int) {
        self[index].record.lastUsedAt = accounts.clock()
        self[index].use = accounts.nextUse()
        guard uses.last != index else { return }
        uses.remove(index)
        uses.append(index)
    }

    /// Changes what a session has beside its state, and pays for the difference.
    func changeExtras<R, E: Error>(_ index: Int, _ body: (SessionExtras) throws(E) -> R) throws(E) -> R {
        let extras = self[index].extras ?? SessionExtras()
        let before = extras.bytes
        self[index].extras = extras
        defer { accounts.charge(extras.bytes - before) }
        return try body(extras)
    }

    func remove(_ index: Int, _ reason: SessionError.GoneReason) {
        let entry = self[index]
        uses.remove(index)
        accounts.charge(-SessionTable.overheadBytes)
        accounts.release(entry.slot, of: entry.slab)
        if let extras = entry.extras {
            accounts.charge(-extras.bytes)
            for checkpoint in extras.checkpoints + extras.recent { accounts.release(checkpoint.slot, of: entry.slab) }
        }
        indices[entry.record.id] = nil
        entries[index] = nil
        freeEntries.append(index)
        creations.noteEnd { entries[$0.index]?.record.serial == $0.serial }
        accounts.bury(
            .init(id: entry.record.id, reason: reason, lastStep: entry.record.step, serial: entry.record.serial))
    }

    // MARK: Expiry

    /// Ends sessions whose time has come and returns the time. Where there are many at once, later calls end the rest.
    @discardableResult
    func expire() -> Double {
        let now = accounts.clock()
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
        let record = self[index].record
        let idleEnd = (self[index].holds > 0 ? now : record.lastUsedAt) + record.policy.idle
        let time = min(idleEnd, record.createdAt + record.policy.total)
        if time < .infinity { alarms.insert(ExpiryAlarm(time: time, serial: record.serial, index: index)) }
    }
}
