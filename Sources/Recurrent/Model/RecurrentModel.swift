import Kernels

/// An immutable minimal recurrent network: a stack of residual blocks between an input and an output map.
///
/// `advance` is the only way to move a state, one row for a step, many for a prefill. A row's arithmetic does not depend
/// on the rows around it, so any cut of the same inputs into batches ends in the same bytes.
public final class RecurrentModel: Sendable {
    /// Raised whenever the same weights and inputs may give other bytes than before; part of the fingerprint.
    public static let numericsVersion = 1

    public let configuration: ModelConfiguration
    public let state: StateLayout
    /// The state before the first input: `state.count` values.
    public let initialState: [Float]
    /// Number of stored weights.
    public let parameters: Int
    /// Hexadecimal SHA-256 over the numerics version, the architecture and every byte of the weights' file.
    public let fingerprint: String

    let embedding: Embedding?
    private let input: PackedMatrix?
    private let blocks: [Block]
    private let norm: Norm?
    private let output: PackedMatrix

    init(_ configuration: ModelConfiguration, _ tensors: ModelTensors, file: TensorFile) throws(CheckpointError) {
        for name in file.names where !tensors.names.contains(name) {
            throw .configuration(file: file.path, reason: "tensor \(name) has no place in this architecture")
        }
        self.configuration = configuration
        let layout = StateLayout(configuration)
        state = layout
        embedding = try tensors.embedding.map { (tensor) throws(CheckpointError) in try Embedding(tensor) }
        input = try tensors.input.map(PackedMatrix.load)
        var blocks: [Block] = []
        for layer in tensors.layers { blocks.append(try Block(layer, configuration)) }
        self.blocks = blocks
        norm = try tensors.norm.map { (norm) throws(CheckpointError) in try Norm(norm, configuration.norm!) }
        output = try PackedMatrix.load(tensors.output)
        var initial = [Float](repeating: 0, count: layout.count)
        for (block, offsets) in zip(blocks, layout.layers) {
            guard let values = block.initialState else { continue }
            initial.replaceSubrange(offsets.hidden..<offsets.hidden + values.count, with: values)
        }
        initialState = initial
        var parameters = 0
        for name in file.names { parameters += try file.optional(name)?.count ?? 0 }
        self.parameters = parameters
        fingerprint = Fingerprint.of(configuration, file)
    }

    /// Absorbs the rows of the workspace's batch: the states of their sequences move by one step per row.
    public func advance(_ workspace: Workspace) {
        let rows = workspace.sequences.count
        guard rows > 0 else { return }
        if let input { input.multiply(workspace.vectors!, rows: rows, into: workspace.stream) }
        for (block, offsets) in zip(blocks, state.layers) { block.apply(workspace, offsets) }
        for (row, sequence) in workspace.sequences.enumerated() {
            // A later row of the same sequence overwrites: the last one stays.
            workspace.states.copy(sequence, from: state.last, to: workspace.stream, row, 0..<configuration.width)
        }
    }

    /// Computes the outputs after the given rows of the batch that was just absorbed, into `workspace.outputs`, in order.
    public func outputs(_ workspace: Workspace, rows: [Int]) {
        for (index, row) in rows.enumerated() {
            workspace.a.copy(index, to: workspace.stream, row, 0..<configuration.width)
        }
        finish(workspace, rows.count)
    }

    /// Computes the outputs that the states of `sequences` stand at, into `workspace.outputs`, in order.
    public func outputs(_ workspace: Workspace, ofStates sequences: [Int]) {
        for (index, sequence) in sequences.enumerated() {
            workspace.a.copy(index, to: workspace.states, sequence, state.last..<state.last + configuration.width)
        }
        finish(workspace, sequences.count)
    }

    private func finish(_ workspace: Workspace, _ rows: Int) {
        guard rows > 0 else { return }
        norm?.apply(workspace.a, rows: rows, into: workspace.a)
        output.multiply(workspace.a, rows: rows, into: workspace.outputs)
    }
}
