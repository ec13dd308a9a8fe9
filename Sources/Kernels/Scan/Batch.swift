/// Which sequence each row of a batch steps, and how the work on it may be cut.
public struct Batch {
    /// Absolute steps at whose multiples an associative scan is cut, so that its answer does not depend on the batches.
    public static let scanBlock = 64

    /// Sequence of each row. The rows of one sequence are adjacent, in order of time.
    public private(set) var sequences: [Int] = []
    private var runs: [Run] = []
    /// Parts that may be computed at the same time, in order of their rows.
    private(set) var segments: [Segment] = []
    /// The rows step by step, where a cell needs that.
    private(set) var plan = StepPlan()

    /// Consecutive rows of one sequence.
    private struct Run {
        let sequence: Int
        var rows: Range<Int>
        /// For an associative scan the absolute step before the first row.
        var firstStep: Int?
    }

    /// Rows that no others are waited for: whole runs, or one block of an associative scan.
    struct Segment {
        var rows: Range<Int>
        let isAssociative: Bool
    }

    public init() {}

    /// Begins anew; memory is kept.
    public mutating func clear() {
        sequences.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: true)
        segments.removeAll(keepingCapacity: true)
        plan.clear()
    }

    /// Adds a row.
    public mutating func append(_ sequence: Int) {
        let row = sequences.count
        sequences.append(sequence)
        if let last = runs.last, last.sequence == sequence {
            runs[runs.count - 1].rows = last.rows.lowerBound..<row + 1
        } else {
            runs.append(Run(sequence: sequence, rows: row..<row + 1))
        }
    }

    /// Marks the rows of the sequence that was added last: they are scanned associatively. `firstStep` is the number of
    /// inputs that the sequence had absorbed before them.
    public mutating func useAssociativeScan(firstStep: Int) { runs[runs.count - 1].firstStep = firstStep }

    /// Whether any row is scanned associatively.
    public var isAssociative: Bool { runs.contains { $0.firstStep != nil } }

    /// Plans the rows step by step.
    mutating func planSteps() { plan.make(sequences) }

    /// Cuts the rows into segments, of at least `rows` where they are exact.
    mutating func cut(every rows: Int) {
        segments.removeAll(keepingCapacity: true)
        for run in runs {
            if let firstStep = run.firstStep {
                var start = run.rows.lowerBound
                while start < run.rows.upperBound {
                    let step = firstStep + start - run.rows.lowerBound
                    let end = min(run.rows.upperBound, start + Self.scanBlock - step % Self.scanBlock)
                    segments.append(Segment(rows: start..<end, isAssociative: true))
                    start = end
                }
            } else if let last = segments.last, !last.isAssociative, last.rows.count < rows {
                segments[segments.count - 1].rows = last.rows.lowerBound..<run.rows.upperBound
            } else {
                segments.append(Segment(rows: run.rows, isAssociative: false))
            }
        }
    }
}
