import HeapModule
import Kernels
import Synchronization
import Threading

/// The states of all live sessions, bounded in bytes; the least recently used make room.
///
/// Every member may be called from any thread: one lock guards all of it, held for one lookup or one copy of a state.
/// The order of operations on one session is the scheduler's business; the table makes each of them atomic.
public final class SessionTable: @unchecked Sendable {
    /// Bytes a session costs beside its state: its record, its name, its place in the lists.
    public static let overheadBytes = 256

    /// Bytes that states and their overhead may take.
    public let budget: Int
    private let clock: @Sendable () -> Double
    private let lock = Lock()

    private struct Entry {
        var record: SessionRecord
        var slot: Int
        /// Operations on it that are under way or waiting: as long as there are any it is not idle.
        var holds = 0

        func hasEnded(at now: Double) -> Bool {
            now >= record.createdAt + record.lifetime.total || holds == 0 && now >= record.expiresAt
        }
    }

    private var entries: [Entry?] = []
    private var freeEntries: [Int] = []
    private var indices: [String: Int] = [:]
    private var slabs: [String: StateSlab] = [:]
    private var uses = LinkedOrder()
    private var creations = LinkedOrder()
    /// One for each session that may expire. They are set back only when they ring.
    private var alarms = Heap<ExpiryAlarm>()
    private var tombstones: Tombstones
    private var usedBytes = 0
    private var nextSerial: UInt64 = 1
    private let removed = Atomic<Int>(0)

    /// - Parameters:
    ///   - budget: bytes for all sessions together.
    ///   - tombstones: gone sessions to remember.
    ///   - clock: seconds since 1970.
    public init(budget: Int, tombstones: Int = 100_000, clock: @escaping @Sendable () -> Double) {
        self.budget = budget
        self.clock = clock
        self.tombstones = Tombstones(limit: tombstones)
    }

    /// Sessions that have ended so far: as long as it stays, none of those at hand has.
    public var removals: Int { removed.load(ordering: .acquiring) }

    /// Live sessions.
    public var count: Int {
        lock.withLock {
            expire()
            return indices.count
        }
    }

    /// Bytes that the sessions take, of the budget.
    public var usedMemory: Int { lock.withLock { usedBytes } }

    /// For tests.
    var alarmCount: Int { lock.withLock { alarms.count } }

    /// Makes a session of `model` that stands at `step` with row `row` of `states`. Evicts as needed.
    public func create(
        id wanted: String?, model: String, from states: Matrix, row: Int, step: Int,
        lifetime: SessionLifetime = SessionLifetime()
    ) throws(SessionError) -> SessionRecord {
        try lock.withLock { () throws(SessionError) in
            let now = expire()
            let id = wanted ?? SessionID.random()
            precondition(SessionID.isValid(id), "session id \(id)")
            guard live(id, at: now) == nil else { throw .exists(id: id) }
            let slab = slabs[model] ?? StateSlab(slotBytes: states.columns * MemoryLayout<Float>.size)
            slabs[model] = slab
            let cost = slab.slotBytes + Self.overheadBytes
            guard cost <= budget else { throw .storeFull(needed: cost, budget: budget) }
            makeRoom(cost)
            usedBytes += slab.slotBytes
            let slot = slab.take()
            slab.write(slot, from: states, row: row)
            return insert(id, model, step, lifetime, stateBytes: slab.slotBytes, slot: slot, at: now)
        }
    }

    /// Makes sessions that stand where the one called `id` stands, all of them or none; nil for a server-made name.
    /// They share its state's memory until they move. Evicts others as needed.
    public func fork(_ id: String, serial: UInt64, into wanted: [String?]) throws(SessionError) -> [SessionRecord] {
        try lock.withLock { () throws(SessionError) in
            let index = try index(id, serial)
            let ids = wanted.map { $0 ?? SessionID.random() }
            var seen = Set<String>(minimumCapacity: ids.count)
            for (id, wanted) in zip(ids, wanted) {
                let isTaken = wanted != nil && live(id, at: clock()) != nil
                if isTaken || !seen.insert(id).inserted { throw .exists(id: id) }
            }
            let parent = entries[index]!
            let cost = ids.count * Self.overheadBytes
            let least = cost + parent.record.stateBytes + Self.overheadBytes
            guard least <= budget else { throw .storeFull(needed: least, budget: budget) }
            touch(index)
            makeRoom(cost)
            let slab = slabs[parent.record.model]!
            slab.share(parent.slot, by: ids.count)
            let (record, now) = (parent.record, entries[index]!.record.lastUsedAt)
            return ids.map { id in
                precondition(SessionID.isValid(id), "session id \(id)")
                return insert(
                    id, record.model, record.step, record.lifetime, stateBytes: slab.slotBytes, slot: parent.slot,
                    at: now)
            }
        }
    }

    /// The session called `id`. Does not count as a use.
    public func record(_ id: String) throws(SessionError) -> SessionRecord {
        try lock.withLock { () throws(SessionError) in entries[try index(id)]!.record }
    }

    /// Up to `limit` sessions in order of creation, those made after the session `after`, and whether more follow.
    public func list(limit: Int, after: String?) throws(SessionError) -> (records: [SessionRecord], more: Bool) {
        try lock.withLock { () throws(SessionError) in
            let now = expire()
            var at = creations.first
            if let after {
                if let index = indices[after] {
                    at = creations.next(after: index)
                } else if let stone = tombstones[after] {
                    while at >= 0, entries[at]!.record.serial <= stone.serial { at = creations.next(after: at) }
                } else {
                    throw .unknown(id: after)
                }
            }
            var records: [SessionRecord] = []
            while at >= 0, records.count < limit {
                if !entries[at]!.hasEnded(at: now) { records.append(entries[at]!.record) }
                at = creations.next(after: at)
            }
            return (records, at >= 0)
        }
    }

    /// Ends the session called `id`.
    public func delete(_ id: String) throws(SessionError) {
        try lock.withLock { () throws(SessionError) in remove(try index(id), .deleted) }
    }

    /// Throws what became of the session called `id` with that serial, if it has ended.
    public func check(_ id: String, serial: UInt64) throws(SessionError) {
        try lock.withLock { () throws(SessionError) in _ = try index(id, serial) }
    }

    /// Copies the state of `id` into row `row` of `states` and marks it used.
    ///
    /// With a `serial` it must be that very session. A session of another model than `model` has taken the name of one
    /// that ended: unknown.
    public func load(
        _ id: String, serial: UInt64? = nil, into states: Matrix, row: Int, model: String
    ) throws(SessionError) -> SessionRecord {
        try lock.withLock { () throws(SessionError) in
            let index = try index(id, serial)
            guard entries[index]!.record.model == model else { throw .unknown(id: id) }
            touch(index)
            let entry = entries[index]!
            slabs[entry.record.model]!.read(entry.slot, into: states, row: row)
            return entry.record
        }
    }

    /// Moves the session to `step` with row `row` of `states`. `serial` is of the load before: a session that ended in
    /// the meantime is gone, even if its name was taken anew.
    public func save(
        _ id: String, serial: UInt64, from states: Matrix, row: Int, step: Int
    ) throws(SessionError) -> SessionRecord {
        try lock.withLock { () throws(SessionError) in
            let index = try index(id, serial)
            touch(index, step: step)
            let slab = slabs[entries[index]!.record.model]!
            // The last used is the last to be evicted; when only it is left, its slot is its own.
            while slab.isShared(entries[index]!.slot), usedBytes + slab.slotBytes > budget {
                remove(uses.first, .evicted)
            }
            if slab.isShared(entries[index]!.slot) {
                _ = slab.giveBack(entries[index]!.slot)
                entries[index]!.slot = slab.take()
                usedBytes += slab.slotBytes
            }
            slab.write(entries[index]!.slot, from: states, row: row)
            return entries[index]!.record
        }
    }

    /// Takes note of an operation on the session, which will not be idle before `release`.
    /// - Returns: the session's serial; nil when it has ended, or is not that one.
    public func hold(_ id: String, serial: UInt64?) -> UInt64? {
        lock.withLock {
            guard let index = try? index(id, serial) else { return nil }
            entries[index]!.holds += 1
            return entries[index]!.record.serial
        }
    }

    /// An operation that held the session has ended.
    public func release(_ id: String, serial: UInt64) {
        lock.withLock {
            guard let index = indices[id], entries[index]!.record.serial == serial else { return }
            entries[index]!.holds -= 1
            if entries[index]!.record.lifetime.idle < .infinity { entries[index]!.record.lastUsedAt = clock() }
        }
    }

    // MARK: Under the lock

    /// Ends sessions whose time has come and returns the time. Where there are many at once, later calls end the rest.
    @discardableResult
    private func expire() -> Double {
        let now = clock()
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
        let entry = entries[index]!
        let lifetime = entry.record.lifetime
        let idleEnd = (entry.holds > 0 ? now : entry.record.lastUsedAt) + lifetime.idle
        let time = min(idleEnd, entry.record.createdAt + lifetime.total)
        if time < .infinity { alarms.insert(ExpiryAlarm(time: time, serial: entry.record.serial, index: index)) }
    }

    /// The session called `id`, which is ended here if its time has come and no call has come to that yet.
    private func live(_ id: String, at now: Double) -> Int? {
        guard let index = indices[id] else { return nil }
        guard entries[index]!.hasEnded(at: now) else { return index }
        remove(index, .expired)
        return nil
    }

    private func index(_ id: String, _ serial: UInt64? = nil) throws(SessionError) -> Int {
        if let index = live(id, at: expire()), serial == nil || entries[index]!.record.serial == serial { return index }
        if let stone = serial.map({ tombstones[id, $0] }) ?? tombstones[id] { throw stone.error }
        throw .unknown(id: id)
    }

    /// Evicts until there is room for so many bytes, which fit the budget beside the session that was used last.
    private func makeRoom(_ bytes: Int) {
        while usedBytes + bytes > budget { remove(uses.first, .evicted) }
    }

    /// Takes in a session whose state is in `slot` and paid for.
    private func insert(
        _ id: String, _ model: String, _ step: Int, _ lifetime: SessionLifetime, stateBytes: Int, slot: Int,
        at now: Double
    ) -> SessionRecord {
        let record = SessionRecord(
            id: id, model: model, step: step, stateBytes: stateBytes, createdAt: now, lastUsedAt: now,
            serial: nextSerial, lifetime: lifetime)
        nextSerial += 1
        usedBytes += Self.overheadBytes
        tombstones.forget(id)
        let index = freeEntries.popLast() ?? entries.count
        if index == entries.count { entries.append(nil) }
        entries[index] = Entry(record: record, slot: slot)
        indices[id] = index
        uses.append(index)
        creations.append(index)
        setAlarm(index, after: now)
        // Alarms of sessions that ended otherwise must not gather until their time.
        if alarms.count > 2 * indices.count + 1000 {
            alarms = Heap()
            for index in indices.values { setAlarm(index, after: now) }
        }
        return record
    }

    private func touch(_ index: Int, step: Int? = nil) {
        let now = clock()
        entries[index]!.record.lastUsedAt = now
        if let step { entries[index]!.record.step = step }
        guard uses.last != index else { return }
        uses.remove(index)
        uses.append(index)
    }

    private func remove(_ index: Int, _ reason: SessionError.GoneReason) {
        removed.add(1, ordering: .releasing)
        let entry = entries[index]!
        uses.remove(index)
        creations.remove(index)
        usedBytes -= Self.overheadBytes
        if slabs[entry.record.model]!.giveBack(entry.slot) { usedBytes -= entry.record.stateBytes }
        indices[entry.record.id] = nil
        entries[index] = nil
        freeEntries.append(index)
        tombstones.bury(
            .init(
                id: entry.record.id, reason: reason, lastStep: entry.record.step, serial: entry.record.serial))
    }
}
