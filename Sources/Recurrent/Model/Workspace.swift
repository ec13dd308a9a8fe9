import Kernels
import Threading

/// The memory a model computes in: states of the sequences that are being absorbed and activations of one batch of
/// rows.
///
/// It has room for a fixed number of rows and sequences, so a prefill of a million steps needs no more than one of a
/// hundred. Of that room, what has been used takes memory: of the states the rows up to the highest sequence, of the
/// activations those up to the longest batch. Workspaces may share their activations. One thread uses a workspace, with
/// a team or alone; the model itself is immutable and shared.
public final class Workspace {
    /// Sequences × state: row i is the state of sequence i. Whoever schedules decides which session that is.
    public let states: Matrix
    private let stateMemory: MatrixMemory
    /// Rows of the present batch; each names the sequence it steps.
    public internal(set) var batch = Batch()
    /// Rows a batch may have.
    public let capacity: Int
    /// Outputs that `RecurrentModel.outputs` left: one row each, `outputSize` values.
    public var outputs: Matrix { layout.outputs }

    /// Multiply-adds from which a batch is worth waking the team for, some 100 microseconds of one thread; from an eighth
    /// of them on trials tell.
    var worthSharing = 8_000_000
    var blockTrial = TeamTrial()
    var outputTrial = TeamTrial()

    let model: RecurrentModel
    var team: Team? { activations.team }
    /// One for each member of the team.
    var scratch: [Scratch] { activations.scratch }
    /// What the team is to do with this workspace.
    var part = RecurrentModel.Part.blocks
    private let activations: Activations
    private var layout: ActivationLayout
    /// Rows of activations that are accounted for since `epoch`, and bytes of states.
    private var (touchedRows, epoch) = (0, 0)
    private var stateBytes = 0

    /// Where the batch's activations lie.
    var places: ActivationLayout { layout }

    /// Room for batches of up to `rows` rows over up to `sequences` sequences. Large batches are computed by the team of
    /// `activations`.
    public init(_ model: RecurrentModel, rows: Int, sequences: Int, in activations: Activations) {
        (self.model, self.activations, capacity) = (model, activations, rows)
        stateMemory = MatrixMemory(
            bytes: Matrix.bytes(rows: sequences, columns: model.state.count), isSparse: true)
        states = Matrix(rows: sequences, columns: model.state.count, in: stateMemory)
        layout = model.activations(rows: rows, in: activations.reserve(model.activationBytes(rows: rows)))
        epoch = activations.epoch
    }

    /// The same with activations of its own.
    public convenience init(_ model: RecurrentModel, rows: Int, sequences: Int, team: Team? = nil) {
        self.init(model, rows: rows, sequences: sequences, in: Activations(team: team))
    }

    deinit { activations.note(states: -stateBytes) }

    /// Begins a new batch.
    public func clear() {
        batch.clear()
        if let memory = activations.memory, memory !== layout.memory {
            layout = model.activations(rows: capacity, in: memory)
            touchedRows = 0
        }
    }

    /// Accounts for batches of so many rows.
    func touch(rows: Int) {
        if epoch != activations.epoch { (touchedRows, epoch) = (0, activations.epoch) }
        guard rows > touchedRows else { return }
        activations.note(
            activations: layout.bytes(touchedBy: rows) - (touchedRows > 0 ? layout.bytes(touchedBy: touchedRows) : 0))
        touchedRows = rows
    }

    /// Accounts for the state of `sequence`, which is about to be written.
    public func touch(sequence: Int) {
        let end = Matrix.bytes(rows: sequence + 1, columns: states.columns)
        guard end > stateBytes else { return }
        let bytes = (end + MatrixMemory.page - 1) / MatrixMemory.page * MatrixMemory.page
        activations.note(states: bytes - stateBytes)
        stateBytes = bytes
    }

    /// Gives the memory of all states back to the system; none may be in use.
    public func giveBackStates() {
        guard stateBytes > 0 else { return }
        stateMemory.giveBack()
        activations.note(states: -stateBytes)
        stateBytes = 0
    }

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
        let vectors = layout.vectors!
        precondition(range.count == vectors.columns, "vector of \(range.count) values for \(vectors.columns)")
        vectors.set(batch.sequences.count, to: values, range)
        append(sequence)
    }

    private func append(_ sequence: Int) {
        precondition(sequence >= 0 && sequence < states.rows, "sequence \(sequence) of \(states.rows)")
        batch.append(sequence)
    }

    /// Has the rows of the sequence that was added last scanned associatively. `firstStep` is the number of inputs that
    /// it had absorbed before them; but for a sequence's last rows, a batch ends at a multiple of
    /// `RecurrentModel.scanBlock`.
    public func useAssociativeScan(firstStep: Int) { batch.useAssociativeScan(firstStep: firstStep) }

    /// Whether what the last block left of `row`, of the batch that was just absorbed, is finite.
    public func isFinite(row: Int) -> Bool { layout.last.isFinite(row) }

    /// Puts `sequence` to the model's initial state.
    public func reset(_ sequence: Int) {
        touch(sequence: sequence)
        states.set(sequence, to: model.initialState)
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
        workspace.places.stream.set(row, to: values, token * width..<(token + 1) * width)
    }
}
