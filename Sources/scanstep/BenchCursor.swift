import Kernels

/// Cuts sequences of equal length into batches: every sequence that has steps left gets an equal share of the rows.
struct BenchCursor {
    private let size: BenchSize
    private let rows: Int
    /// Steps at whose multiples a share ends, but for a sequence's last one.
    private let block: Int
    private var first = 0
    /// Steps that sequences `first..<first + together` have absorbed.
    private var done = 0
    private var together: Int

    init(_ size: BenchSize, rows: Int, scan: ScanMode) {
        (self.size, self.rows) = (size, rows)
        block = scan == .associative ? Batch.scanBlock : 1
        together = min(size.sequences, max(1, rows / block))
    }

    /// Names the steps of each sequence in the next batch; false when all are absorbed.
    mutating func next(_ take: (_ sequence: Int, _ steps: Range<Int>) -> Void) -> Bool {
        guard first < size.sequences else { return false }
        let share = min(rows / together / block * block, size.steps - done)
        for sequence in first..<first + together { take(sequence, done..<done + share) }
        done += share
        if done == size.steps {
            first += together
            together = min(together, size.sequences - first)
            done = 0
        }
        return true
    }
}
