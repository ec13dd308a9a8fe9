import Synchronization
import Threading

/// What the shards of a table have in common: its memory, its time, and who has gone.
///
/// Counters are atomic and the tombstones have a lock of their own, under which nothing else is locked.
final class SessionAccounts: @unchecked Sendable {
    /// Bytes that states and their overhead may take.
    let budget: Int
    /// Seconds since 1970.
    let clock: @Sendable () -> Double
    /// The tier behind the memory; nil where there is none.
    let store: SessionStore?
    private let used = Atomic<Int>(0)
    private let removed = Atomic<Int>(0)
    private let latestUse = Atomic<UInt64>(0)
    private let lock = Lock()
    private var tombstones: Tombstones

    init(budget: Int, tombstones: Int, store: SessionStore?, clock: @escaping @Sendable () -> Double) {
        (self.budget, self.store, self.clock) = (budget, store, clock)
        self.tombstones = Tombstones(limit: tombstones)
    }

    /// Bytes taken of the budget.
    var usedBytes: Int { used.load(ordering: .relaxed) }

    /// Sessions that have ended so far.
    var removals: Int { removed.load(ordering: .acquiring) }

    func charge(_ bytes: Int) { used.add(bytes, ordering: .relaxed) }

    /// One owner of the slot less; its bytes come back with the last.
    func release(_ slot: Int, of slab: StateSlab) { if slab.giveBack(slot) { charge(-slab.slotBytes) } }

    /// A number for a use of a session: greater than those of all uses before.
    func nextUse() -> UInt64 { latestUse.add(1, ordering: .relaxed).newValue }

    func bury(_ stone: Tombstones.Stone) {
        lock.withLock { tombstones.bury(stone) }
        noteRemoval()
    }

    func noteRemoval() { removed.add(1, ordering: .releasing) }

    /// A new session has taken the name.
    func forget(_ id: String) { lock.withLock { tombstones.forget(id) } }

    /// What became of the session called `id`, of that very one if there is a serial.
    func stone(_ id: String, _ serial: UInt64? = nil) -> Tombstones.Stone? {
        lock.withLock { serial.map { tombstones[id, $0] } ?? tombstones[id] }
    }
}
