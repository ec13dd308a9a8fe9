import Kernels
import Threading

/// An immutable recurrent network: a stack of branches between an input and an output map.
///
/// `advance` is the only way to move a state, one row for a step, many for a prefill. A row's arithmetic does not
/// depend on the rows around it, so any cut of the same inputs into batches ends in the same bytes.
public final class RecurrentModel: Sendable {
    /// Raised whenever the same weights and inputs may give other bytes than before; part of the identity.
    public static let numericsVersion = 2

    public let configuration: ModelConfiguration
    public let state: StateLayout
    /// The state before the first input: `state.count` values.
    public let initialState: [Float]
    /// Number of weights in the tensors that the model is made of: what else its file holds does not count.
    public let parameters: Int
    /// What the model's numbers depend on; a state belongs to it.
    public let identity: ModelIdentity
    /// The identity as one digest.
    public var fingerprint: String { identity.fingerprint }

    /// How the weights of all products are kept.
    public let weights: WeightType
    /// How prefills are scanned unless they say otherwise.
    public let scan: ScanMode
    /// All that prefills may say.
    public var scans: [ScanMode] { cell.scans }
    /// The cell of the first layer, which plans batches for all of them.
    private let cell: any Stage
    /// Absolute steps at whose multiples an associative prefill may be cut into batches.
    public static let scanBlock = Batch.scanBlock
    /// Multiply-adds of one step, without those of the output map.
    private let blockMultiplyAdds: Int
    /// Multiply-adds of one step and its output.
    public var multiplyAdds: Int { blockMultiplyAdds + outputMultiplyAdds }
    private var outputMultiplyAdds: Int {
        hiddenOutputs.reduce(output.map { $0.inputs * $0.outputs } ?? 0) { $0 + $1.inputs * $1.outputs }
    }

    let embedding: Embedding?
    private let input: PackedMatrix?
    private let branches: [Branch]
    private let norm: Norm?
    private let hiddenOutputs: [PackedMatrix]
    private let output: PackedMatrix?

    /// Packs the tensors of `file`. Without `weights` they keep half precision where all matrices have it in the file,
    /// and are float32 elsewhere. `published` names the layout of a published checkpoint; nil for the native one.
    init(
        _ configuration: ModelConfiguration, _ tensors: ModelTensors, file: TensorFile, layout published: String?,
        weights wanted: WeightType?, scan: ScanMode
    ) throws(CheckpointError) {
        try tensors.expectWhole(file)
        self.configuration = configuration
        let weights = wanted ?? (tensors.maps.allSatisfy { $0.weight.tensor.type == .float16 } ? .f16 : .f32)
        self.weights = weights
        embedding = try tensors.embedding.map { (tensor) throws(CheckpointError) in try Embedding(tensor) }
        input = try tensors.input.map { (map) throws(CheckpointError) in try PackedMatrix.load(map, weights) }
        var branches: [Branch] = []
        for (index, layer) in tensors.layers.enumerated() {
            branches += try configuration.order.branches(layer, index, configuration, weights)
        }
        self.branches = branches
        state = StateLayout(branches, width: configuration.streamWidths.last!)
        norm = try tensors.norm.map { (norm) throws(CheckpointError) in try Norm(norm, configuration.norm!) }
        var hidden: [PackedMatrix] = []
        for map in tensors.hiddenOutputs { hidden.append(try PackedMatrix.load(map, weights)) }
        hiddenOutputs = hidden
        output = try tensors.output.map { (map) throws(CheckpointError) in try PackedMatrix.load(map, weights) }
        blockMultiplyAdds = branches.reduce((input?.inputs ?? 0) * configuration.width) { $0 + $1.multiplyAdds }
        initialState = state.initial
        parameters = tensors.used.values.reduce(0) { $0 + $1.count }
        cell = branches.lazy.flatMap { $0.stages }.first { !$0.scans.isEmpty }!
        self.scan = cell.scans.contains(scan) ? scan : cell.scans[0]
        identity = ModelIdentity(configuration, layout: published, file: file, weights: weights, scan: self.scan)
    }

    /// Absorbs the rows of the workspace's batch: the states of their sequences move by one step per row.
    public func advance(_ workspace: Workspace) {
        let rows = workspace.batch.sequences.count
        guard rows > 0 else { return }
        compute(.blocks, rows, workspace)
    }

    /// Computes the outputs after the given rows of the batch that was just absorbed, into `workspace.outputs`, in
    /// order.
    public func outputs(_ workspace: Workspace, rows: [Int]) {
        let (chosen, last) = (workspace.places.chosen, workspace.places.last)
        for (index, row) in rows.enumerated() { chosen.copy(index, to: last, row, 0..<last.columns) }
        finish(workspace, rows.count)
    }

    /// Computes the outputs that the states of `sequences` stand at, into `workspace.outputs`, in order.
    public func outputs(_ workspace: Workspace, ofStates sequences: [Int]) {
        let chosen = workspace.places.chosen
        for (index, sequence) in sequences.enumerated() {
            chosen.copy(index, to: workspace.states, sequence, state.last..<state.count)
        }
        finish(workspace, sequences.count)
    }

    private func finish(_ workspace: Workspace, _ rows: Int) {
        guard rows > 0 else { return }
        compute(.outputs(rows: rows), rows, workspace)
    }

    /// What a team does together.
    enum Part {
        /// The batch goes through input map and blocks.
        case blocks
        /// Final norm and output map of the first rows that were chosen.
        case outputs(rows: Int)
    }

    /// Bytes of the activations of so many rows.
    func activationBytes(rows: Int) -> Int {
        ActivationLayout.Regions(branches, configuration).bytes(rows: rows)
    }

    /// Places in `memory` for the activations of so many rows.
    func activations(rows: Int, in memory: MatrixMemory) -> ActivationLayout {
        ActivationLayout(branches, state, configuration, rows: rows, in: memory)
    }

    private func compute(_ part: Part, _ rows: Int, _ workspace: Workspace) {
        workspace.touch(rows: rows)
        workspace.part = part
        switch part {
        case .blocks: compute(multiplyAdds: blockMultiplyAdds * rows, workspace, &workspace.blockTrial)
        case .outputs: compute(multiplyAdds: outputMultiplyAdds * rows, workspace, &workspace.outputTrial)
        }
    }

    /// Has the team compute what is worth it, one thread what is not, and between them whoever was sooner.
    private func compute(multiplyAdds: Int, _ workspace: Workspace, _ trial: inout TeamTrial) {
        guard let team = workspace.team, multiplyAdds >= workspace.worthSharing / 8 else {
            return compute(by: nil, workspace)
        }
        if multiplyAdds >= workspace.worthSharing { return compute(by: team, workspace) }
        let isShared = trial.next()
        let time = ContinuousClock().measure { compute(by: isShared ? team : nil, workspace) }
        trial.note(time / .nanoseconds(1), byTeam: isShared)
    }

    private func compute(by team: Team?, _ workspace: Workspace) {
        if case .blocks = workspace.part { cell.prepare(&workspace.batch, members: team?.count ?? 1) }
        if let team { team.run(workspace) } else { Team.runAlone(workspace) }
    }

    fileprivate func compute(_ part: Part, _ workspace: Workspace, by member: borrowing Team.Member) {
        let scratch = workspace.scratch[member.index]
        switch part {
        case .outputs(let rows):
            var chosen = workspace.places.chosen
            norm?.apply(chosen, rows: rows, into: chosen, by: member)
            for (map, hidden) in zip(hiddenOutputs, workspace.places.hiddenOutputs) {
                map.multiply(
                    chosen, rows: rows, into: hidden, configuration.outputActivation, by: member, scratch)
                chosen = hidden
            }
            if let output, case .probabilities = configuration.output {
                output.multiplySigmoid(chosen, rows: rows, into: workspace.outputs, by: member, scratch)
            } else if let output {
                output.multiply(chosen, rows: rows, into: workspace.outputs, by: member, scratch)
            } else {
                workspace.outputs.take(chosen, rows: rows, by: member)
            }
        case .blocks:
            let sequences = workspace.batch.sequences
            let places = workspace.places
            if let input {
                input.multiply(
                    places.vectors!, rows: sequences.count, into: places.stream, configuration.inputActivation,
                    by: member, scratch)
            }
            for index in branches.indices { branches[index].apply(places.branches[index], workspace, by: member) }
            guard member.index == 0 else { return }
            let last = places.last
            for row in sequences.indices where row + 1 == sequences.count || sequences[row + 1] != sequences[row] {
                workspace.states.copy(sequences[row], from: state.last, to: last, row, 0..<last.columns)
            }
        }
    }
}

extension Workspace: Teamwork {
    /// One member's part of what the model has asked for.
    public func work(as member: borrowing Team.Member) { model.compute(part, self, by: member) }
}
