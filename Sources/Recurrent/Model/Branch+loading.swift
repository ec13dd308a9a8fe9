import Kernels

extension ModelConfiguration.BlockOrder {
    /// The branches of layer `index`, whose tensors are packed as `weights` says.
    func branches(
        _ tensors: LayerTensors, _ index: Int, _ configuration: ModelConfiguration, _ weights: WeightType
    ) throws(CheckpointError) -> [Branch] {
        func norm(_ tensors: NormTensors?) throws(CheckpointError) -> Norm? {
            try tensors.map { (tensors) throws(CheckpointError) in try Norm(tensors, configuration.norm!) }
        }
        func product(_ tensors: LinearTensors?) throws(CheckpointError) -> [any Stage] {
            guard let tensors else { return [] }
            return [ProductStage(map: try PackedMatrix.load(tensors, weights))]
        }
        func branch(_ norm: Norm?, _ stages: [any Stage], _ join: Branch.Join) -> Branch {
            Branch(layer: index, norm: norm, stages: stages, join: join)
        }

        var filter: [any Stage] = []
        if let (weight, bias) = tensors.convolution, let shape = configuration.convolution {
            let convolution = DepthwiseConvolution(
                kernel: shape.kernel, channels: configuration.streamWidths[index], weight: try weight.values(),
                bias: try bias?.values())
            filter = [ConvolutionStage(convolution: convolution)] + (try product(tensors.pointwise))
        }
        let cell: [any Stage] = [try tensors.cell.stage(weights)]
        let rnnNorm = try norm(tensors.rnnNorm)

        var branches: [Branch]
        switch self {
        case .paper:
            var join = Branch.Join.add
            if let align = tensors.align { join = .align(try PackedMatrix.load(align, weights)) }
            branches = [branch(rnnNorm, filter + cell + (try product(tensors.out)), join)]
        case .minGRUPyTorch:
            branches = filter.isEmpty ? [] : [branch(nil, filter, .add)]
            branches.append(branch(rnnNorm, cell + (try product(tensors.out)), .add))
        case .highway:
            branches = [branch(rnnNorm, cell, .highway(try PackedMatrix.load(tensors.highway!, weights)))]
        case .stacked:
            branches = [branch(rnnNorm, cell, .replace)]
        }
        if let (up, gate, down) = tensors.mlp {
            let mlp = MLPStage(
                up: try PackedMatrix.load(up, weights),
                gate: try gate.map { (gate) throws(CheckpointError) in try PackedMatrix.load(gate, weights) },
                down: try PackedMatrix.load(down, weights))
            branches.append(branch(try norm(tensors.mlpNorm), [mlp], .add))
        }
        return branches
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
    func read(
        row index: Int, into values: inout [Float], for type: WeightType, scale: Float? = nil
    ) throws(CheckpointError) {
        try read(row: index, into: &values)
        if let scale { for column in values.indices { values[column] *= scale } }
        guard type == .f16 else { return }
        for value in values where !Float16(value).isFinite { throw .tooLarge(tensor: tensor.name, weight: value) }
    }
}
