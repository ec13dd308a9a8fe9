import Kernels

/// The memory a model computes in: states of the sequences that are being absorbed and activations of one batch of rows.
///
/// Its size is fixed when it is made, so a prefill of a million steps needs no more than one of a hundred. One thread
/// uses a workspace; the model itself is immutable and shared.
public final class Workspace {
    /// Sequences × state: row i is the state of sequence i. Whoever schedules decides which session that is.
    public let states: Matrix
    /// Rows of the present batch; each names the sequence it steps. Rows of one sequence are in time order.
    public private(set) var sequences: [Int] = []
    /// Rows a batch may have.
    public let capacity: Int
    /// Outputs that `RecurrentModel.outputs` left: one row each, `outputSize` values.
    public let outputs: Matrix

    let model: RecurrentModel
    let stream: Matrix
    let a: Matrix
    let b: Matrix
    let filtered: Matrix
    let hidden: Matrix
    let mlpHidden: Matrix?
    let vectors: Matrix?

    /// Memory for batches of up to `rows` rows over up to `sequences` sequences.
    public init(_ model: RecurrentModel, rows: Int, sequences: Int) {
        let configuration = model.configuration
        self.model = model
        capacity = rows
        states = Matrix(rows: sequences, columns: model.state.count)
        stream = Matrix(rows: rows, columns: configuration.width)
        a = Matrix(rows: rows, columns: configuration.width)
        b = Matrix(rows: rows, columns: configuration.width)
        filtered = Matrix(rows: rows, columns: configuration.width)
        hidden = Matrix(rows: rows, columns: configuration.innerWidth)
        mlpHidden = configuration.mlpWidth.map { Matrix(rows: rows, columns: $0) }
        outputs = Matrix(rows: rows, columns: configuration.outputSize)
        if case .vectors(let size) = configuration.input {
            vectors = Matrix(rows: rows, columns: size)
        } else {
            vectors = nil
        }
    }

    /// Begins a new batch.
    public func clear() { sequences.removeAll(keepingCapacity: true) }

    /// Adds a row that steps `sequence` by `token`, which must be in the vocabulary.
    public func append(token: Int, to sequence: Int) {
        model.embedding!.copy(token, to: self, row: sequences.count)
        sequences.append(sequence)
    }

    /// Adds a row that steps `sequence` by `range` of `values`, all of them by default: a vector of the model's input size.
    public func append(vector values: [Float], _ range: Range<Int>? = nil, to sequence: Int) {
        let range = range ?? values.indices
        precondition(range.count == vectors!.columns, "vector of \(range.count) values for \(vectors!.columns)")
        vectors!.set(sequences.count, to: values, range)
        sequences.append(sequence)
    }

    /// Whether what the last block left of `row`, of the batch that was just absorbed, is finite.
    public func isFinite(row: Int) -> Bool { stream.isFinite(row) }

    /// Puts `sequence` to the model's initial state.
    public func reset(_ sequence: Int) { states.set(sequence, to: model.initialState) }
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
        workspace.stream.set(row, to: values, token * width..<(token + 1) * width)
    }
}
