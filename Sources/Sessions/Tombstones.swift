/// What became of sessions that are gone, for a bounded number of them: the oldest are forgotten first.
struct Tombstones {
    struct Stone {
        let id: String
        let reason: SessionError.GoneReason
        let lastStep: Int
        let serial: UInt64

        var error: SessionError { .gone(id: id, reason: reason, lastStep: lastStep) }
    }

    let limit: Int
    private var stones: [UInt64: Stone] = [:]
    /// The latest burial under each name that no new session has taken.
    private var latest: [String: UInt64] = [:]
    /// Serials in order of burial, as a ring.
    private var ring: [UInt64] = []
    private var oldest = 0

    init(limit: Int) { self.limit = limit }

    /// What became of the last session called `id`; nil when another has the name now.
    subscript(id: String) -> Stone? { latest[id].flatMap { stones[$0] } }

    /// What became of one certain session, whoever has its name now.
    subscript(id: String, serial: UInt64) -> Stone? { stones[serial].flatMap { $0.id == id ? $0 : nil } }

    mutating func bury(_ stone: Stone) {
        guard limit > 0 else { return }
        if ring.count < limit {
            ring.append(stone.serial)
        } else {
            let forgotten = stones.removeValue(forKey: ring[oldest])!
            if latest[forgotten.id] == forgotten.serial { latest[forgotten.id] = nil }
            ring[oldest] = stone.serial
            oldest = (oldest + 1) % limit
        }
        stones[stone.serial] = stone
        latest[stone.id] = stone.serial
    }

    /// A new session has taken the name.
    mutating func forget(_ id: String) { latest[id] = nil }
}
