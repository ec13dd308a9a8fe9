/// What a tick of a model costs, learnt from the ticks gone by: a base, mostly the reading of the weights, and so much
/// for each row.
///
/// A straight line through rows and times by least squares, in which old samples fade. It decides where batches are cut
/// and so never what is computed.
struct TickCost {
    /// How much of a sample is left when the next one comes.
    private static let fading = 0.97
    /// One tick that the machine has interrupted must not count for more than this many times what was expected.
    private static let outlier = 4.0

    private static let settled = 5.0

    private var weight: Double
    private var rows: Double
    private var time: Double
    private var rowsSquared: Double
    private var rowsByTime: Double

    /// - Parameter guess: nanoseconds a row may take as long as nothing has been measured.
    init(guess: Double) {
        // A light first sample: two measurements outweigh it.
        (weight, rows, time, rowsSquared, rowsByTime) = (0.1, 0.1, 0.1 * guess, 0.1, 0.1 * guess)
    }

    /// Takes note of a tick.
    mutating func note(rows count: Int, nanoseconds: Int64) {
        let x = Double(count)
        var y = Double(max(0, nanoseconds))
        // Not the first samples: a wrong guess must not make outliers of them.
        if weight > Self.settled { y = min(y, Self.outlier * (base + perRow * x)) }
        weight = Self.fading * weight + 1
        rows = Self.fading * rows + x
        time = Self.fading * time + y
        rowsSquared = Self.fading * rowsSquared + x * x
        rowsByTime = Self.fading * rowsByTime + x * y
    }

    /// Nanoseconds that one more row costs.
    var perRow: Double {
        let ratio = time / rows
        let spread = weight * rowsSquared - rows * rows
        // Ticks of all the same size say nothing about the slope: then the base counts as part of the rows.
        guard spread > 0.01 * rows * rows else { return ratio }
        return min(ratio, max(ratio / 16, (weight * rowsByTime - rows * time) / spread))
    }

    private var base: Double { max(0, (time - perRow * rows) / weight) }

    /// Nanoseconds that a tick costs however few rows it has.
    var perTick: Double { base }

    /// Rows that may be added to a tick for that time.
    func rows(within nanoseconds: Int64) -> Int {
        let count = Double(nanoseconds) / perRow
        return count < 1e9 ? Int(count) : 1_000_000_000
    }
}
