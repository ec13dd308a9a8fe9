import Kernels
import Threading

/// One thing that the rows of a batch pass through on their way along a branch, and that may keep state.
///
/// A row is one time step of one sequence. A stage is called once for each batch; what is generic or vectorised lies
/// below that one dynamic call, in `Kernels`.
protocol Stage: Sendable {
    /// Values of one row before it, and behind it.
    var inputs: Int { get }
    var outputs: Int { get }
    /// What it keeps of a sequence, in the order in which it lies in the sequence's state.
    var states: [StateTensor] { get }
    /// Columns of the matrices, each with a row for every row of the batch, that it computes in beside its input and its
    /// output.
    var workColumns: [Int] { get }
    /// Multiply-adds of one row.
    var multiplyAdds: Int { get }
    /// Scans by which it can absorb several rows of one sequence; empty for a stage without a recurrence.
    var scans: [ScanMode] { get }
    /// Whether it can add its outputs to what lies where they go.
    var canAdd: Bool { get }

    /// Plans the batch; called once, before any member of the team calls `apply`.
    func prepare(_ batch: inout Batch, members: Int)

    /// Sends the rows of the workspace's batch through. Every member of a team calls it.
    func apply(_ place: StagePlace, _ workspace: Workspace, by member: borrowing Team.Member)
}

extension Stage {
    var states: [StateTensor] { [] }
    var workColumns: [Int] { [] }
    var scans: [ScanMode] { [] }
    var canAdd: Bool { false }

    func prepare(_ batch: inout Batch, members: Int) {}
}

/// A float32 tensor of a sequence's state.
struct StateTensor: Sendable, Equatable {
    /// What state files call it behind the number of its layer: `hidden`.
    var name: String
    var shape: [Int]
    /// Its values before the first input; nil for zeros.
    var initial: [Float]?

    var count: Int { shape.reduce(1, *) }
}

/// Where a stage finds its rows and its state.
struct StagePlace {
    /// Rows × `inputs`.
    let x: Matrix
    /// Rows × `outputs`; another matrix than `x`.
    let y: Matrix
    /// One matrix for each of `workColumns`.
    let work: [Matrix]
    /// Where its values lie in the state of a sequence.
    let offset: Int
    /// Whether the outputs are added to what lies in `y`.
    let adds: Bool
}
