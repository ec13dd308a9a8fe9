import Kernels

extension Block {
    /// Packs the tensors of one layer.
    init(
        _ tensors: LayerTensors, _ configuration: ModelConfiguration, _ weights: WeightType
    ) throws(CheckpointError) {
        order = configuration.order
        rnnNorm = try tensors.rnnNorm.map { (norm) throws(CheckpointError) in try Norm(norm, configuration.norm!) }
        mlpNorm = try tensors.mlpNorm.map { (norm) throws(CheckpointError) in try Norm(norm, configuration.norm!) }
        if let (weight, bias) = tensors.convolution, let shape = configuration.convolution {
            convolution = DepthwiseConvolution(
                kernel: shape.kernel, channels: configuration.width, weight: try weight.values(),
                bias: try bias?.values())
        } else {
            convolution = nil
        }
        pointwise = try tensors.pointwise.map { (map) throws(CheckpointError) in try PackedMatrix.load(map, weights) }
        out = try tensors.out.map { (map) throws(CheckpointError) in try PackedMatrix.load(map, weights) }
        initialState = try tensors.initialState?.values()
        if let (up, down) = tensors.mlp {
            mlp = (try PackedMatrix.load(up, weights), try PackedMatrix.load(down, weights))
        } else {
            mlp = nil
        }
        let parts = tensors.parts
        var biases: [[Float]?] = []
        for part in parts { biases.append(try part.bias?.values()) }
        rnn = try GatedScan(
            weights, cell: configuration.cell, candidate: configuration.candidate,
            channels: configuration.innerWidth, inputs: configuration.width, bias: biases
        ) { (part, channel, row) throws(CheckpointError) in
            try parts[part].weight.read(row: channel, into: &row, for: weights)
        }
    }
}

extension Norm {
    init(_ tensors: NormTensors, _ shape: ModelConfiguration.NormShape) throws(CheckpointError) {
        self.init(
            kind: shape.kind, epsilon: shape.epsilon, weight: try tensors.weight.values(),
            bias: try tensors.bias?.values())
    }
}

extension PackedMatrix {
    static func load(_ tensors: LinearTensors, _ type: WeightType) throws(CheckpointError) -> PackedMatrix {
        let weight = tensors.weight
        return try PackedMatrix(
            type, outputs: weight.rows.count, inputs: weight.width, bias: try tensors.bias?.values()
        ) { (output, row) throws(CheckpointError) in try weight.read(row: output, into: &row, for: type) }
    }
}

extension TensorRows {
    /// Reads row `index`, whose values are to be kept as `type`.
    fileprivate func read(
        row index: Int, into values: inout [Float], for type: WeightType
    ) throws(CheckpointError) {
        try read(row: index, into: &values)
        guard type == .f16 else { return }
        for value in values where !Float16(value).isFinite { throw .tooLarge(tensor: tensor.name, weight: value) }
    }
}
