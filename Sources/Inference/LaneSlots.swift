/// How many rows and sequences a model's workspace has.
struct LaneSlots {
    /// Rows of a batch.
    let rows: Int
    /// Sequences that may be under way at once.
    let count: Int
    /// Of these, works of more than one tick, so that single steps need not wait for them.
    let long: Int

    /// Batches are large enough for the arithmetic and small enough for the caches.
    init(width: Int) { self.init(rows: min(1024, max(192, 65_536 / width / 64 * 64))) }

    init(rows: Int) {
        precondition(rows >= 128, "batches of \(rows) rows")
        self.rows = rows
        // So many steps may be ready at once; prefills keep the rest.
        count = rows - 64
        long = count / 4 * 3
    }
}
