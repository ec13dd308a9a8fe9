import Threading

/// How the recurrence of a prefill is computed.
public enum ScanMode: String, Sendable {
    /// In order of time; gives the bytes of single steps.
    case exact
    /// Blocks of `Batch.scanBlock` steps from a state of zero, at the same time; then the carries are combined and
    /// added.
    case associative
    /// In order of time, the only scan of a cell whose gates see the state; gives the bytes of single steps.
    case sequential

    /// The scans among which requests and options choose.
    public static let choices = [ScanMode.exact, .associative]

    /// The one of `choices` with that name.
    public init?(choice name: String) {
        guard let mode = Self.choices.first(where: { $0.rawValue == name }) else { return nil }
        self = mode
    }
}

/// A recurrent layer that steps the rows of a batch.
///
/// Scans are generic over their cells, and only calls within this module specialise them: so the kernel of each cell is
/// a concrete type.
public protocol CellKernel: Sendable {
    /// Values of one input row.
    var inputs: Int { get }
    /// Values of one output row.
    var outputs: Int { get }
    /// Values of each tensor of a sequence's state, in the order in which they lie one after the other.
    var stateSizes: [Int] { get }
    /// Columns of the matrices, each with a row for every row of the batch, that it computes in beside input and output.
    var workColumns: [Int] { get }
    /// Scans by which it can absorb several rows of one sequence.
    var scans: [ScanMode] { get }
    /// Multiply-adds of one row.
    var multiplyAdds: Int { get }

    /// Cuts the batch as `apply` needs it, once before any member of a team calls `apply`. The layers of a model share
    /// what is done here where they have the same kind of scan.
    func prepare(_ batch: inout Batch, members: Int)

    /// Steps every row: the state of its sequence advances, and `y` receives the output. Every member of a team calls
    /// it.
    ///
    /// - Parameters:
    ///   - x: rows × `inputs`.
    ///   - batch: for each row the row of `states` that carries its sequence; prepared by such a kernel.
    ///   - states: sequences × any width; the values of `stateSizes` from `offset` on are read and left at the last
    ///     step.
    ///   - y: rows × `outputs`, not the matrix of `x`.
    ///   - work: a matrix for each entry of `workColumns`, of at least so many columns.
    ///   - scratch: the member's own.
    func apply(
        _ x: Matrix, _ batch: Batch, states: Matrix, at offset: Int, into y: Matrix, work: [Matrix],
        by member: borrowing Team.Member, _ scratch: Scratch)
}
