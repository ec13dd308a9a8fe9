import Kernels

/// A weight and its optional bias.
struct LinearTensors: Sendable {
    var weight: TensorRows
    var bias: TensorRows?
    /// One factor for each output, by which the whole map is multiplied.
    var scale: Tensor?
}

struct NormTensors: Sendable {
    var weight: Tensor
    var bias: Tensor?
    /// What is added to each weight: 1 where the file holds how far it is from one.
    var offset: Float = 0
}

/// The tensors of one block, whatever the checkpoint calls them.
struct LayerTensors: Sendable {
    var rnnNorm: NormTensors?
    /// Depthwise filter: (width, kernel) or (width, 1, kernel).
    var convolution: (weight: Tensor, bias: Tensor?)?
    var pointwise: LinearTensors?
    var cell: any CellTensors
    /// Hidden to residual stream; nil where the hidden state goes there as it is.
    var out: LinearTensors?
    /// What the stream goes through beside the cell: where the widths before and behind the layer differ.
    var align: LinearTensors?
    /// The gate of a highway connection.
    var highway: LinearTensors?
    var mlpNorm: NormTensors?
    /// `gate` is of a GEGLU alone.
    var mlp: (up: LinearTensors, gate: LinearTensors?, down: LinearTensors)?
}

/// The tensors of a model in the roles they play: what every checkpoint layout is turned into.
struct ModelTensors: Sendable {
    /// (vocabulary, width); nil for vector inputs.
    var embedding: Tensor?
    /// Input vector to residual stream; nil for tokens.
    var input: LinearTensors?
    var layers: [LayerTensors]
    var norm: NormTensors?
    /// Maps behind the last layer and its norm, before the last map.
    var hiddenOutputs: [LinearTensors] = []
    /// Nil where the residual stream is the output.
    var output: LinearTensors?
    /// Names of tensors that training left in the file and no step needs.
    var unused: Set<String> = []
    /// Names of tensors of modules that `config.json` leaves out by naming others.
    var leftOut: Set<String> = []
}

extension TensorFile {
    /// `prefix`.weight of (outputs, inputs), and `prefix`.bias of (outputs) if there is one.
    func linear(_ prefix: String, outputs: Int, inputs: Int) throws(CheckpointError) -> LinearTensors {
        let bias = try tensorIfPresent(prefix + ".bias", [outputs])
        return LinearTensors(
            weight: TensorRows(tensor: try tensor(prefix + ".weight", [outputs, inputs]), rows: 0..<outputs),
            bias: bias.map { TensorRows(tensor: $0, rows: 0..<outputs) })
    }

    /// Maps that stand one under the other in `prefix`.weight, each of (outputs, inputs), and their biases in
    /// `prefix`.bias if there is one.
    func linears(
        _ prefix: String, parts: Int, outputs: Int, inputs: Int
    ) throws(CheckpointError) -> [LinearTensors] {
        let whole = try linear(prefix, outputs: parts * outputs, inputs: inputs)
        return (0..<parts).map { part in
            let rows = part * outputs..<(part + 1) * outputs
            return LinearTensors(
                weight: TensorRows(tensor: whole.weight.tensor, rows: rows),
                bias: whole.bias.map { TensorRows(tensor: $0.tensor, rows: rows) })
        }
    }

    /// As `linear`, for a convolution over one time step: its weight is (outputs, inputs, 1).
    func pointwise(_ prefix: String, outputs: Int, inputs: Int) throws(CheckpointError) -> LinearTensors {
        let bias = try tensorIfPresent(prefix + ".bias", [outputs])
        return LinearTensors(
            weight: TensorRows(tensor: try tensor(prefix + ".weight", [outputs, inputs, 1]), rows: 0..<outputs),
            bias: bias.map { TensorRows(tensor: $0, rows: 0..<outputs) })
    }

    /// The kernel of a depthwise convolution called `prefix`.0 with a pointwise map behind it; nil where there is none.
    /// - Parameter usual: the kernel of which a refusal speaks.
    func separableConvolution(
        _ prefix: String, width: Int, usual: Int
    ) throws(CheckpointError) -> ModelConfiguration.ConvolutionShape? {
        guard let filter = try optional(prefix + ".0.weight") else { return nil }
        guard filter.shape.count == 3, filter.shape[2] >= 1 else {
            throw .wrongShape(tensor: filter.name, expected: [width, 1, usual], found: filter.shape)
        }
        return .init(kernel: filter.shape[2], pointwise: true)
    }

    /// The tensors of that convolution and of the map.
    func separableConvolution(
        _ prefix: String, width: Int, kernel: Int
    ) throws(CheckpointError) -> (filter: (weight: Tensor, bias: Tensor?), pointwise: LinearTensors) {
        (
            (
                try tensor(prefix + ".0.weight", [width, 1, kernel]),
                try tensorIfPresent(prefix + ".0.bias", [width])
            ),
            try pointwise(prefix + ".1", outputs: width, inputs: width)
        )
    }

    /// `prefix`.weight and, for a layer norm, `prefix`.bias if there is one; or `prefix`.gamma, which is the weight less
    /// one.
    func norm(_ prefix: String, width: Int) throws(CheckpointError) -> NormTensors {
        if contains(prefix + ".gamma") {
            return NormTensors(weight: try tensor(prefix + ".gamma", [width]), offset: 1)
        }
        return NormTensors(
            weight: try tensor(prefix + ".weight", [width]), bias: try tensorIfPresent(prefix + ".bias", [width]))
    }
}

extension ModelTensors {
    /// All tensors that play a role, each once, by their names.
    var used: [String: Tensor] {
        var tensors: [Tensor?] = [embedding, norm?.weight, norm?.bias]
        for layer in layers {
            tensors += [layer.rnnNorm?.weight, layer.rnnNorm?.bias, layer.mlpNorm?.weight, layer.mlpNorm?.bias]
            tensors += [layer.convolution?.weight, layer.convolution?.bias] + layer.cell.vectors
        }
        for map in maps { tensors += [map.weight.tensor, map.bias?.tensor, map.scale] }
        return Dictionary(tensors.compactMap(\.self).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Refuses a file with tensors that neither play a role nor are known to need none, and a stack of several types.
    func expectWhole(_ file: TensorFile) throws(CheckpointError) {
        let used = used
        for name in file.names where used[name] == nil && !unused.contains(name) && !leftOut.contains(name) {
            throw .configuration(
                file: file.path,
                reason:
                    "tensor \(name) has no place in this architecture; the file must hold the weights of one model alone"
            )
        }
        try expectOneType()
    }

    /// Refuses a stack in which some weights have half precision, and others not: one of them was not meant to.
    private func expectOneType() throws(CheckpointError) {
        let tensors = layers.flatMap { $0.cell.uniform }
        guard let first = tensors.first, let other = tensors.first(where: { $0.type != first.type }) else { return }
        throw .mixedTypes(
            tensor: other.name, found: other.type.rawValue, others: first.name, expected: first.type.rawValue)
    }

    /// All linear maps: what is kept as the weight type says.
    var maps: [LinearTensors] {
        var maps: [LinearTensors?] = [input, output] + hiddenOutputs
        for layer in layers {
            maps += [layer.pointwise, layer.out, layer.align, layer.highway] + layer.cell.maps
            maps += [layer.mlp?.up, layer.mlp?.gate, layer.mlp?.down]
        }
        return maps.compactMap(\.self)
    }
}
