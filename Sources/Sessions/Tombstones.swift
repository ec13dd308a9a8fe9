/// What became of sessions that are gone, for a bounded number of them: the oldest are forgotten first.
struct Tombstones {
    struct Stone {
        let reason: SessionError.GoneReason
        let lastStep: Int
        let serial: UInt64
    }

    let limit: Int
    private var stones: [String: Stone] = [:]
    /// Names in order of burial, as a ring. A name buried twice stands twice; only its latest place counts.
    private var ring: [(id: String, serial: UInt64)] = []
    private var oldest = 0

    init(limit: Int) { self.limit = limit }

    subscript(id: String) -> Stone? { stones[id] }

    mutating func bury(_ id: String, _ stone: Stone) {
        guard limit > 0 else { return }
        stones[id] = stone
        if ring.count < limit {
            ring.append((id, stone.serial))
        } else {
            let forgotten = ring[oldest]
            if stones[forgotten.id]?.serial == forgotten.serial { stones[forgotten.id] = nil }
            ring[oldest] = (id, stone.serial)
            oldest = (oldest + 1) % limit
        }
    }

    /// A new session has taken the name.
    mutating func forget(_ id: String) { stones[id] = nil }
}
