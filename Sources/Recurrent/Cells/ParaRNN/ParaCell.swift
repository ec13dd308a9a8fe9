import Kernels

/// ParaGRU or ParaLSTM.
struct ParaCell: Cell {
    /// Which recurrence; the raw value is what `config.json` calls it.
    enum Kind: String, CaseIterable {
        case gru = "ParaGRU"
        case lstm = "ParaLSTM"
    }

    let kind: Kind
    /// Recurrent weights and peepholes are cut to ± this before use; nil leaves them as they are.
    let limit: Float?

    init(_ kind: Kind, limit: Float?) { (self.kind, self.limit) = (kind, limit) }

    var name: String { kind.rawValue }
    var words: [(word: String, value: String)] {
        [("max_recurrent_norm", limit.map { ModelConfiguration.hexadecimal($0) } ?? "null")]
    }

    /// What the recurrent weights are called, in the order of the rows of the input map, and the peepholes behind them.
    private var vectorNames: [String] {
        kind == .gru ? ["a_z", "a_r", "a_n"] : ["a_f", "a_z", "a_o", "c_f", "c_o"]
    }

    func tensors(
        of file: TensorFile, _ prefix: String, inputs: Int, outputs: Int
    ) throws(CheckpointError) -> any CellTensors {
        func vector(_ name: String) throws(CheckpointError) -> TensorRows {
            TensorRows(tensor: try file.expected(prefix + name, [outputs]), rows: 0..<outputs)
        }
        var vectors: [TensorRows] = []
        for name in vectorNames { vectors.append(try vector(name)) }
        let maps = try file.linears(prefix + "W_x", parts: 3, outputs: outputs, inputs: inputs)
        return ParaTensors(cell: self, input: .dense(maps), recurrent: vectors)
    }

    func shapes(inputs: Int, outputs: Int) -> [(name: String, shape: [Int])] {
        vectorNames.map { ($0, [outputs]) } + [("W_x.weight", [3 * outputs, inputs])]
    }
}

/// The tensors of a layer of ParaGRU or ParaLSTM.
struct ParaTensors: CellTensors {
    enum Input: Sendable {
        /// One map for each part.
        case dense([LinearTensors])
        /// Maps of heads, (heads, inputs of a head, 3, channels of a head): head k of the input feeds head k of the
        /// channels alone. `order` has the place of each of the kernel's parts in it, and `bias` their biases.
        case heads(Tensor, order: [Int], bias: [TensorRows])
    }

    let cell: ParaCell
    let input: Input
    /// Recurrent weights of each part, then the peepholes of forget and output gate.
    let recurrent: [TensorRows]

    var maps: [LinearTensors] {
        switch input {
        case .dense(let maps): maps
        case .heads(let tensor, _, _):
            [LinearTensors(weight: TensorRows(tensor: tensor, rows: 0..<tensor.shape[0]))]
        }
    }

    var vectors: [Tensor] {
        guard case .heads(_, _, let bias) = input else { return recurrent.map(\.tensor) }
        return (recurrent + bias).map(\.tensor)
    }

    var uniform: [Tensor] { maps.map(\.weight.tensor) + recurrent.map(\.tensor) }

    func stage(_ weights: WeightType) throws(CheckpointError) -> CellStage {
        var constants: [[Float]] = []
        for vector in recurrent {
            let values = try vector.values()
            constants.append(cell.limit.map { limit in values.map { max(-limit, min(limit, $0)) } } ?? values)
        }
        let (inputs, bias, row) = try inputMap(weights)
        let (channels, diagonals) = (constants[0].count, Array(constants.prefix(3)))
        let kernel: any CellKernel
        switch cell.kind {
        case .gru:
            kernel = try ParaGRU(
                weights, channels: channels, inputs: inputs, bias: bias, recurrent: diagonals, row: row)
        case .lstm:
            kernel = try ParaLSTM(
                weights, channels: channels, inputs: inputs, bias: bias, recurrent: diagonals,
                peepholes: (constants[3], constants[4]), row: row)
        }
        let names = cell.kind == .lstm ? ["hidden", "cell"] : ["hidden"]
        return CellStage(kernel, states: names.map { StateTensor(name: $0, shape: [channels]) })
    }

    private typealias Row = (_ part: Int, _ channel: Int, inout [Float]) throws(CheckpointError) -> Void

    /// The input map: how many values it takes, its biases, and its weights row by row.
    private func inputMap(
        _ weights: WeightType
    ) throws(CheckpointError) -> (inputs: Int, bias: [[Float]?], row: Row) {
        switch input {
        case .dense(let maps):
            var bias: [[Float]?] = []
            for map in maps { bias.append(try map.bias?.values()) }
            return (
                maps[0].weight.width, bias,
                { (part, channel, row) throws(CheckpointError) in
                    try maps[part].weight.read(row: channel, into: &row, for: weights)
                }
            )
        case .heads(let tensor, let order, let biasRows):
            var bias: [[Float]?] = []
            for rows in biasRows { bias.append(try rows.values()) }
            let (values, shape) = (try tensor.values(), tensor.shape)
            if weights == .f16, let value = values.first(where: { !Float16($0).isFinite }) {
                throw .tooLarge(tensor: tensor.name, weight: value)
            }
            return (
                shape[0] * shape[1], bias,
                { (part, channel, row) throws(CheckpointError) in
                    let (head, place) = (channel / shape[3], channel % shape[3])
                    for index in row.indices { row[index] = 0 }
                    for index in 0..<shape[1] {
                        row[head * shape[1] + index] =
                            values[((head * shape[1] + index) * shape[2] + order[part]) * shape[3] + place]
                    }
                }
            )
        }
    }
}
