import Kernels

extension Block {
    /// Packs the tensors of layer `index`.
    init(
        _ tensors: LayerTensors, _ index: Int, _ configuration: ModelConfiguration, _ weights: WeightType
    ) throws(CheckpointError) {
        func pack(_ map: LinearTensors?) throws(CheckpointError) -> PackedMatrix? {
            guard let map else { return nil }
            return try PackedMatrix.load(map, weights)
        }
        let width = configuration.streamWidths[index]
        order = configuration.order
        rnnNorm = try tensors.rnnNorm.map { (norm) throws(CheckpointError) in try Norm(norm, configuration.norm!) }
        mlpNorm = try tensors.mlpNorm.map { (norm) throws(CheckpointError) in try Norm(norm, configuration.norm!) }
        if let (weight, bias) = tensors.convolution, let shape = configuration.convolution {
            convolution = DepthwiseConvolution(
                kernel: shape.kernel, channels: width, weight: try weight.values(), bias: try bias?.values())
        } else {
            convolution = nil
        }
        pointwise = try pack(tensors.pointwise)
        out = try pack(tensors.out)
        align = try pack(tensors.align)
        highway = try pack(tensors.highway)
        initialState = try tensors.initialState.map { (state) throws(CheckpointError) in
            switch state {
            case .stored(let tensor): try tensor.values()
            case .activated(let tensor): configuration.candidate.apply(try tensor.values())
            case .constant(let value): [Float](repeating: value, count: configuration.hiddenWidth(index))
            }
        }
        if let (up, gate, down) = tensors.mlp {
            mlp = (try PackedMatrix.load(up, weights), try pack(gate), try PackedMatrix.load(down, weights))
        } else {
            mlp = nil
        }
        let parts = tensors.parts
        var biases: [[Float]?] = []
        for part in parts { biases.append(try part.bias?.values()) }
        func row(_ part: Int, _ channel: Int, _ row: inout [Float]) throws(CheckpointError) {
            try parts[part].weight.read(row: channel, into: &row, for: weights)
        }
        let (candidate, channels) = (configuration.candidate, configuration.hiddenWidth(index))
        rnn =
            switch configuration.cell {
            case .minGRU:
                try MinGRU(weights, candidate: candidate, channels: channels, inputs: width, bias: biases, row: row)
            case .minLSTM, .minLSTMUnnormalised:
                try MinLSTM(
                    weights, candidate: candidate, isNormalised: configuration.cell == .minLSTM, channels: channels,
                    inputs: width, bias: biases, row: row)
            }
    }
}

extension Norm {
    init(_ tensors: NormTensors, _ shape: ModelConfiguration.NormShape) throws(CheckpointError) {
        self.init(
            kind: shape.kind, epsilon: shape.epsilon, weight: try tensors.weight.values().map { $0 + tensors.offset },
            bias: try tensors.bias?.values())
    }
}

extension PackedMatrix {
    static func load(_ tensors: LinearTensors, _ type: WeightType) throws(CheckpointError) -> PackedMatrix {
        let weight = tensors.weight
        var bias = try tensors.bias?.values()
        let scale = try tensors.scale?.values()
        if let scale, bias != nil { for output in scale.indices { bias![output] *= scale[output] } }
        return try PackedMatrix(
            type, outputs: weight.rows.count, inputs: weight.width, bias: bias
        ) { (output, row) throws(CheckpointError) in
            try weight.read(row: output, into: &row, for: type, scale: scale?[output])
        }
    }
}

extension TensorRows {
    /// Reads row `index`, times `scale`, whose values are to be kept as `type`.
    fileprivate func read(
        row index: Int, into values: inout [Float], for type: WeightType, scale: Float? = nil
    ) throws(CheckpointError) {
        try read(row: index, into: &values)
        if let scale { for column in values.indices { values[column] *= scale } }
        guard type == .f16 else { return }
        for value in values where !Float16(value).isFinite { throw .tooLarge(tensor: tensor.name, weight: value) }
    }
}
