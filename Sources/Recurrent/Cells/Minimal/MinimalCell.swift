import Kernels

/// minGRU or minLSTM.
struct MinimalCell: Cell {
    /// Which recurrence; the raw value is what `config.json` calls it.
    enum Kind: String, CaseIterable {
        case minGRU
        case minLSTM
        /// A minLSTM whose gates were not normalised in training.
        case minLSTMUnnormalised = "minLSTM-unnormalised"

        /// Linear maps of the input, one under the other in most checkpoints.
        var parts: Int { self == .minGRU ? MinGRU.parts : MinLSTM.parts }
    }

    /// What `config.json` calls the ways in which the candidate leaves its linear map.
    static let candidates: [(name: String, candidate: Candidate)] = [("log-space", .logSpace), ("vanilla", .vanilla)]

    let kind: Kind
    let candidate: Candidate

    init(_ kind: Kind, _ candidate: Candidate) { (self.kind, self.candidate) = (kind, candidate) }

    var name: String { kind.rawValue }
    var words: [(word: String, value: String)] {
        [("candidate", Self.candidates.first { $0.candidate == candidate }!.name)]
    }

    /// What the maps are called, in the kernel's order.
    private var mapNames: [String] {
        kind == .minGRU ? ["candidate", "gate"] : ["candidate", "forget", "input"]
    }

    func tensors(
        of file: TensorFile, _ prefix: String, inputs: Int, outputs: Int
    ) throws(CheckpointError) -> any CellTensors {
        var maps: [LinearTensors] = []
        for name in mapNames { maps.append(try file.linear(prefix + name, outputs: outputs, inputs: inputs)) }
        let initial = try file.tensorIfPresent(prefix + "initial_state", [outputs])
        return MinimalTensors(self, maps, initial: initial.map { .stored($0) })
    }

    /// Packs the maps: `row` fills its last argument with the weights of (part, channel).
    func kernel(
        _ weights: WeightType, channels: Int, inputs: Int, bias: [[Float]?],
        row: (_ part: Int, _ channel: Int, inout [Float]) throws(CheckpointError) -> Void
    ) throws(CheckpointError) -> any CellKernel {
        switch kind {
        case .minGRU:
            try MinGRU(weights, candidate: candidate, channels: channels, inputs: inputs, bias: bias, row: row)
        case .minLSTM, .minLSTMUnnormalised:
            try MinLSTM(
                weights, candidate: candidate, isNormalised: kind == .minLSTM, channels: channels, inputs: inputs,
                bias: bias, row: row)
        }
    }

    func shapes(inputs: Int, outputs: Int) -> [(name: String, shape: [Int])] {
        mapNames.map { ($0 + ".weight", [outputs, inputs]) }
    }
}

/// The tensors of a minimal cell.
struct MinimalTensors: CellTensors {
    /// The hidden state before the first step.
    enum InitialState: Sendable {
        case stored(Tensor)
        /// What the candidate's activation makes of a tensor: learned in its domain.
        case activated(Tensor)
        /// The same value in every channel.
        case constant(Float)
    }

    let cell: MinimalCell
    /// Candidate, gate; or candidate, forget, input.
    let maps: [LinearTensors]
    /// Nil means zeros.
    let initial: InitialState?

    init(_ cell: MinimalCell, _ maps: [LinearTensors], initial: InitialState? = nil) {
        (self.cell, self.maps, self.initial) = (cell, maps, initial)
    }

    var vectors: [Tensor] {
        switch initial {
        case .stored(let tensor), .activated(let tensor): [tensor]
        case .constant, nil: []
        }
    }

    func stage(_ weights: WeightType) throws(CheckpointError) -> CellStage {
        let (channels, inputs) = (maps[0].weight.rows.count, maps[0].weight.width)
        var biases: [[Float]?] = []
        for map in maps { biases.append(try map.bias?.values()) }
        let kernel = try cell.kernel(
            weights, channels: channels, inputs: inputs, bias: biases
        ) { (part, channel, row) throws(CheckpointError) in
            try maps[part].weight.read(row: channel, into: &row, for: weights)
        }
        return CellStage(kernel, states: [StateTensor(name: "hidden", shape: [channels], initial: try initialValues())])
    }

    private func initialValues() throws(CheckpointError) -> [Float]? {
        switch initial {
        case .stored(let tensor): try tensor.values()
        case .activated(let tensor): cell.candidate.apply(try tensor.values())
        case .constant(let value): [Float](repeating: value, count: maps[0].weight.rows.count)
        case nil: nil
        }
    }
}
