import Kernels
import Threading

/// The memory a model computes in: states of the sequences that are being absorbed and activations of one batch of
/// rows.
///
/// Its size is fixed when it is made, so a prefill of a million steps needs no more than one of a hundred. One thread
/// uses a workspace, with a team or alone; the model itself is immutable and shared.
public final class Workspace {
    /// Sequences × state: row i is the state of sequence i. Whoever schedules decides which session that is.
    public let states: Matrix
    /// Rows of the present batch; each names the sequence it steps.
    public internal(set) var batch = Batch()
    /// Rows a batch may have.
    public let capacity: Int
    /// Outputs that `RecurrentModel.outputs` left: one row each, `outputSize` values.
    public let outputs: Matrix

    /// Multiply-adds below which a batch is not worth waking the team for: some 100 microseconds of one thread. Where
    /// connections need the other cores, members wait for one another longer than they help.
    var worthSharing = 8_000_000

    let model: RecurrentModel
    let team: Team?
    /// One for each member of the team.
    let scratch: [Scratch]
    /// What the team is to do with this workspace.
    var part = RecurrentModel.Part.blocks
    /// What associative scans need, from the first one on.
    private(set) var blocks: ScanBlocks?
    /// Before the first block and behind each: one and the same where all widths are equal.
    let stages: [Stage]
    let mlpHidden: Matrix?
    let vectors: Matrix?

    /// Memory for batches of up to `rows` rows over up to `sequences` sequences. Large batches are computed by `team`.
    public init(_ model: RecurrentModel, rows: Int, sequences: Int, team: Team? = nil) {
        let configuration = model.configuration
        (self.model, self.team) = (model, team)
        scratch = (0..<(team?.count ?? 1)).map { _ in Scratch() }
        capacity = rows
        states = Matrix(rows: sequences, columns: model.state.count)
        var byWidth: [Int: Stage] = [:]
        stages = configuration.streamWidths.map { width in
            let stage =
                byWidth[width]
                ?? Stage(
                    rows: rows, width: width,
                    hiddenWidth: configuration.layerWidths == nil ? configuration.innerWidth : width)
            byWidth[width] = stage
            return stage
        }
        mlpHidden = configuration.mlp.map { Matrix(rows: rows, columns: $0.width) }
        outputs = Matrix(rows: rows, columns: configuration.outputSize)
        switch configuration.input {
        case .tokens: vectors = nil
        case .vectors(let size):
            vectors = configuration.mapsInput ? Matrix(rows: rows, columns: size) : stages[0].stream
        }
    }

    /// Begins a new batch.
    public func clear() { batch.clear() }

    /// Adds a row that steps `sequence` by `token`, which must be in the vocabulary. The rows of one sequence follow
    /// each other, in order of time.
    public func append(token: Int, to sequence: Int) {
        model.embedding!.copy(token, to: self, row: batch.sequences.count)
        append(sequence)
    }

    /// Adds a row that steps `sequence` by `range` of `values`, all of them by default: a vector of the model's input
    /// size.
    public func append(vector values: [Float], _ range: Range<Int>? = nil, to sequence: Int) {
        let range = range ?? values.indices
        precondition(range.count == vectors!.columns, "vector of \(range.count) values for \(vectors!.columns)")
        vectors!.set(batch.sequences.count, to: values, range)
        append(sequence)
    }

    private func append(_ sequence: Int) {
        precondition(sequence >= 0 && sequence < states.rows, "sequence \(sequence) of \(states.rows)")
        batch.append(sequence)
    }

    /// Has the rows of the sequence that was added last scanned associatively. `firstStep` is the number of inputs that
    /// it had absorbed before them; but for a sequence's last rows, a batch ends at a multiple of
    /// `RecurrentModel.scanBlock`.
    public func useAssociativeScan(firstStep: Int) {
        if blocks == nil { blocks = ScanBlocks(rows: capacity, channels: stages.map(\.hidden.columns).max()!) }
        batch.useAssociativeScan(firstStep: firstStep)
    }

    /// Whether what the last block left of `row`, of the batch that was just absorbed, is finite.
    public func isFinite(row: Int) -> Bool { stages.last!.stream.isFinite(row) }

    /// Puts `sequence` to the model's initial state.
    public func reset(_ sequence: Int) { states.set(sequence, to: model.initialState) }
}

/// The memory of activations as wide as the residual stream at one place, rows × width.
final class Stage {
    let stream: Matrix
    let a: Matrix
    let b: Matrix
    /// Hidden states of the block that ends here.
    let hidden: Matrix

    init(rows: Int, width: Int, hiddenWidth: Int) {
        stream = Matrix(rows: rows, columns: width)
        a = Matrix(rows: rows, columns: width)
        b = Matrix(rows: rows, columns: width)
        hidden = Matrix(rows: rows, columns: hiddenWidth)
    }
}

/// An embedding table; rows are copied into the residual stream.
struct Embedding: Sendable {
    private let width: Int
    private let values: [Float]

    init(_ tensor: Tensor) throws(CheckpointError) {
        width = tensor.shape[1]
        values = try tensor.values()
    }

    func copy(_ token: Int, to workspace: Workspace, row: Int) {
        workspace.stages[0].stream.set(row, to: values, token * width..<(token + 1) * width)
    }
}
