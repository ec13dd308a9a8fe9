import Kernels

/// GRU, LSTM or RNN as `torch.nn` has them.
struct TorchCell: Cell {
    /// Which recurrence; the raw value is what `config.json` calls it.
    enum Kind: String, CaseIterable {
        case gru = "GRU"
        case lstm = "LSTM"
        case rnn = "RNN"

        /// Rows of `weight_hh` for each hidden unit: its gates, in torch's order.
        var gates: Int {
            switch self {
            case .gru: 3
            case .lstm: 4
            case .rnn: 1
            }
        }
    }

    let kind: Kind
    /// What the cell RNN makes of its sum.
    var activation = RNN.Activation.tanh
    /// Values of an LSTM's cell state where its hidden state is a projection of so many; nil where both have as many.
    var cellWidth: Int?

    init(_ kind: Kind, activation: RNN.Activation = .tanh, cellWidth: Int? = nil) {
        (self.kind, self.activation, self.cellWidth) = (kind, activation, cellWidth)
    }

    var name: String { kind.rawValue }

    var words: [(word: String, value: String)] {
        switch kind {
        case .gru: []
        case .lstm: [("cell_width", cellWidth.map(String.init) ?? "null")]
        case .rnn: [("activation", activation.rawValue)]
        }
    }

    func tensors(
        of file: TensorFile, _ prefix: String, inputs: Int, outputs: Int
    ) throws(CheckpointError) -> any CellTensors {
        try tensors(
            of: file, prefix, suffix: "", inputs: inputs, outputs: outputs,
            hasBias: ["bias_ih", "bias_hh"].contains { file.contains(prefix + $0) })
    }

    /// The tensors of one layer, whose names are torch's between `prefix` and `suffix`.
    func tensors(
        of file: TensorFile, _ prefix: String, suffix: String, inputs: Int, outputs: Int, hasBias: Bool
    ) throws(CheckpointError) -> TorchTensors {
        let units = cellWidth ?? outputs
        func map(
            _ weight: String, _ bias: String?, _ shape: [Int]
        ) throws(CheckpointError) -> LinearTensors {
            let rows = 0..<shape[0]
            return LinearTensors(
                weight: TensorRows(tensor: try file.expected(prefix + weight + suffix, shape), rows: rows),
                bias: try bias.map { (bias) throws(CheckpointError) in
                    TensorRows(tensor: try file.expected(prefix + bias + suffix, [shape[0]]), rows: rows)
                })
        }
        return TorchTensors(
            cell: self,
            input: try map("weight_ih", hasBias ? "bias_ih" : nil, [kind.gates * units, inputs]),
            recurrent: try map("weight_hh", hasBias ? "bias_hh" : nil, [kind.gates * units, outputs]),
            projection: cellWidth == nil ? nil : try map("weight_hr", nil, [outputs, units]))
    }

    func shapes(inputs: Int, outputs: Int) -> [(name: String, shape: [Int])] {
        let units = cellWidth ?? outputs
        let maps = [("weight_ih", [kind.gates * units, inputs]), ("weight_hh", [kind.gates * units, outputs])]
        return cellWidth == nil ? maps : maps + [("weight_hr", [outputs, units])]
    }
}

/// The tensors of a layer of `torch.nn`.
struct TorchTensors: CellTensors {
    let cell: TorchCell
    let input: LinearTensors
    let recurrent: LinearTensors
    let projection: LinearTensors?

    var maps: [LinearTensors] { [input, recurrent] + (projection.map { [$0] } ?? []) }
    var vectors: [Tensor] { [] }
    var uniform: [Tensor] { maps.map(\.weight.tensor) }

    func stage(_ weights: WeightType) throws(CheckpointError) -> CellStage {
        let kernel = try kernel(weights)
        let names = cell.kind == .lstm ? ["hidden", "cell"] : ["hidden"]
        return CellStage(kernel, states: zip(names, kernel.stateSizes).map { StateTensor(name: $0, shape: [$1]) })
    }

    private func kernel(_ weights: WeightType) throws(CheckpointError) -> any CellKernel {
        let gates = cell.kind.gates
        let channels = recurrent.weight.rows.count / gates
        /// The biases of a map, gate by gate.
        func biases(_ map: LinearTensors) throws(CheckpointError) -> [[Float]?] {
            guard let values = try map.bias?.values() else { return [[Float]?](repeating: nil, count: gates) }
            return (0..<gates).map { Array(values[$0 * channels..<($0 + 1) * channels]) }
        }
        func reader(
            _ map: LinearTensors
        ) -> (_ gate: Int, _ channel: Int, inout [Float]) throws(CheckpointError) -> Void {
            { (gate, channel, row) throws(CheckpointError) in
                try map.weight.read(row: gate * channels + channel, into: &row, for: weights)
            }
        }
        let (inputs, inputBias, hiddenBias) = (input.weight.width, try biases(input), try biases(recurrent))
        switch cell.kind {
        case .gru:
            return try GRU(
                weights, channels: channels, inputs: inputs, inputBias: inputBias, hiddenBias: hiddenBias,
                input: reader(input), hidden: reader(recurrent))
        case .lstm:
            return try LSTM(
                weights, channels: channels, inputs: inputs, inputBias: inputBias, hiddenBias: hiddenBias,
                projection: try projection.map { (map) throws(CheckpointError) in try PackedMatrix.load(map, weights) },
                input: reader(input), hidden: reader(recurrent))
        case .rnn:
            return try RNN(
                weights, activation: cell.activation, channels: channels, inputs: inputs, inputBias: inputBias,
                hiddenBias: hiddenBias, input: reader(input), hidden: reader(recurrent))
        }
    }
}
