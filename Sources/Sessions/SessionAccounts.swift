import Synchronization
import Threading

/// What the shards of a table have in common: its memory, its time, and who has gone.
///
/// Counters are atomic and the tombstones have a lock of their own, under which nothing else is locked.
final class SessionAccounts: @unchecked Sendable {
    /// Bytes that states and their overhead may take.
    let budget: Int
    /// Seconds since 1970, which may be set forward and back.
    let clock: @Sendable () -> Double
    /// Seconds that only pass, by which sessions end.
    let steady: @Sendable () -> Double
    /// The tier behind the memory; nil where there is none.
    let store: SessionStore?
    /// The clock that stored times are on. Set once, before there is a session.
    var storeClock = StoreClock(offset: 0, shift: 0)
    /// More than any machine has, and little enough that sums of such numbers are numbers.
    private static let largestBudget = 1 << 60
    private let used = Atomic<Int>(0)
    private let removed = Atomic<Int>(0)
    private let latestUse = Atomic<UInt64>(0)
    private let lock = Lock()
    private var tombstones: Tombstones
    private var census = SessionCensus()
    private var holdings: [String: Holdings] = [:]
    private var ends: [SessionError.GoneReason: Int] = [:]
    private var endCall: (@Sendable (SessionRecord) -> Void)?

    init(
        budget: Int, tombstones: Int, store: SessionStore?, clock: @escaping @Sendable () -> Double,
        steady: @escaping @Sendable () -> Double
    ) {
        (self.budget, self.store, self.clock, self.steady) = (min(budget, Self.largestBudget), store, clock, steady)
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
        lock.withLock {
            tombstones.bury(stone)
            ends[stone.reason, default: 0] += 1
        }
        noteRemoval()
    }

    func setEndCall(_ call: @escaping @Sendable (SessionRecord) -> Void) { lock.withLock { endCall = call } }

    /// Tells who wants to know that a session has ended.
    func tellEnd(_ record: SessionRecord) { lock.withLock { endCall }?(record) }

    func noteRemoval() { removed.add(1, ordering: .releasing) }

    // MARK: Owners

    /// What the sessions of an owner are together.
    struct Holdings: Equatable {
        var sessions = 0
        var bytes = 0
    }

    func holdings(of owner: String) -> Holdings { lock.withLock { holdings[owner] ?? Holdings() } }

    /// Counts a session, also to its owner, or takes it from the count.
    func count(_ record: SessionRecord, _ sign: Int) {
        let owner = SessionID.owner(record.id)
        lock.withLock {
            census.count(record.stateBytes, sign)
            if owner.isEmpty { return }
            holdings[owner, default: Holdings()].sessions += sign
            holdings[owner]!.bytes += sign * record.stateBytes
            if holdings[owner]!.sessions == 0 { holdings[owner] = nil }
        }
    }

    /// How many sessions there are, and bytes of the largest of their states that has no more than `limit`.
    func census(upTo limit: Int) -> (names: Int, largest: Int) {
        lock.withLock { (census.count, census.largest(upTo: limit)) }
    }

    /// Refuses sessions for which the owner's quota has no room, where `old` makes room.
    func require(
        _ quota: SessionQuota?, of owner: String, sessions: Int, bytes: Int, insteadOf old: SessionRecord? = nil
    ) throws(SessionError) {
        guard let quota else { return }
        var held = holdings(of: owner)
        if let old { (held.sessions, held.bytes) = (held.sessions - 1, held.bytes - old.stateBytes) }
        guard held.sessions + sessions <= quota.sessions ?? .max, held.bytes + sessions * bytes <= quota.bytes ?? .max
        else { throw .quotaFull(quota) }
    }

    /// Sessions that have ended so far, by what became of them.
    var endings: [SessionError.GoneReason: Int] { lock.withLock { ends } }

    /// A new session has taken the name.
    func forget(_ id: String) { lock.withLock { tombstones.forget(id) } }

    /// What became of the session called `id`, of that very one if there is a serial.
    func stone(_ id: String, _ serial: UInt64? = nil) -> Tombstones.Stone? {
        lock.withLock { serial.map { tombstones[id, $0] } ?? tombstones[id] }
    }
}
