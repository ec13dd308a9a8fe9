import Kernels
import Recurrent

/// What a batch is made of.
struct BatchSummary: Equatable {
    /// The served model's id.
    let model: String
    /// Rows of single steps and of generated tokens.
    let steps: Int
    /// Rows of long inputs.
    let prefill: Int
}

/// The rows of one batch: one for each step, and some of each prefill. Kept from batch to batch for its memory.
struct BatchBuilder {
    /// An operation in the batch, and how many of its rows.
    struct Run {
        let operation: Operation
        let count: Int
    }

    private(set) var runs: [Run] = []
    /// Rows of all runs, and how many of these are steps.
    private(set) var rows = 0
    private(set) var steps = 0
    private var demands: [PrefillCut.Demand] = []
    /// Rows of each prefill.
    private var counts: [Int] = []

    func summary(of model: String) -> BatchSummary { BatchSummary(model: model, steps: steps, prefill: rows - steps) }

    mutating func clear() {
        runs.removeAll(keepingCapacity: true)
        (rows, steps) = (0, 0)
    }

    /// Adds the one row of a step.
    mutating func add(step operation: Operation) {
        runs.append(Run(operation: operation, count: 1))
        (rows, steps) = (rows + 1, steps + 1)
    }

    /// Adds rows of prefills, the first in line first.
    /// - Parameters:
    ///   - budget: rows that should be used.
    ///   - room: rows that there are.
    ///   - end: the rows of a prefill after which it must be cut.
    mutating func add(prefills: [Operation], budget: Int, room: Int, until end: (Operation) -> Int) {
        guard !prefills.isEmpty else { return }
        demands.removeAll(keepingCapacity: true)
        for operation in prefills {
            let block = operation.work.scan == .associative ? RecurrentModel.scanBlock : 1
            demands.append(PrefillCut.Demand(step: operation.step, remaining: end(operation), block: block))
        }
        PrefillCut.share(demands, budget: budget, room: room, into: &counts)
        for (operation, count) in zip(prefills, counts) where count > 0 {
            runs.append(Run(operation: operation, count: count))
            rows += count
        }
    }

    /// The prefills of the batch that go on: those that had no rows are the first in line for the next one. Those whose
    /// inputs have been absorbed, and that still have a slot, are apart.
    func order(after prefills: [Operation]) -> (absorbing: [Operation], absorbed: [Operation]) {
        var (waiting, moved, absorbed): ([Operation], [Operation], [Operation]) = ([], [], [])
        for (operation, count) in zip(prefills, counts) where operation.slot >= 0 {
            if operation.remaining == 0 {
                absorbed.append(operation)
            } else if count == 0 {
                waiting.append(operation)
            } else {
                moved.append(operation)
            }
        }
        return (waiting + moved, absorbed)
    }
}
