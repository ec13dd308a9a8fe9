/// A weight and its optional bias.
struct LinearTensors: Sendable {
    var weight: TensorRows
    var bias: TensorRows?
}

struct NormTensors: Sendable {
    var weight: Tensor
    var bias: Tensor?
}

/// The tensors of one block, whatever the checkpoint calls them.
struct LayerTensors: Sendable {
    var rnnNorm: NormTensors?
    /// Depthwise filter: (width, kernel) or (width, 1, kernel).
    var convolution: (weight: Tensor, bias: Tensor?)?
    var pointwise: LinearTensors?
    /// Linear maps of the cell in the kernel's order: candidate, gate; or candidate, forget, input.
    var parts: [LinearTensors]
    /// Hidden to residual stream; nil where the hidden state goes there as it is.
    var out: LinearTensors?
    /// The hidden state before the first step; nil means zeros.
    var initialState: Tensor?
    var mlpNorm: NormTensors?
    var mlp: (up: LinearTensors, down: LinearTensors)?
}

/// The tensors of a model in the roles they play: what every checkpoint layout is turned into.
struct ModelTensors: Sendable {
    /// (vocabulary, width); nil for vector inputs.
    var embedding: Tensor?
    /// Input vector to residual stream; nil for tokens.
    var input: LinearTensors?
    var layers: [LayerTensors]
    var norm: NormTensors?
    var output: LinearTensors
}

extension TensorFile {
    /// `prefix`.weight of (outputs, inputs), and `prefix`.bias of (outputs) if there is one.
    func linear(_ prefix: String, outputs: Int, inputs: Int) throws(CheckpointError) -> LinearTensors {
        let bias = try tensorIfPresent(prefix + ".bias", [outputs])
        return LinearTensors(
            weight: TensorRows(tensor: try tensor(prefix + ".weight", [outputs, inputs]), rows: 0..<outputs),
            bias: bias.map { TensorRows(tensor: $0, rows: 0..<outputs) })
    }

    /// As `linear`, for a convolution over one time step: its weight is (outputs, inputs, 1).
    func pointwise(_ prefix: String, outputs: Int, inputs: Int) throws(CheckpointError) -> LinearTensors {
        let bias = try tensorIfPresent(prefix + ".bias", [outputs])
        return LinearTensors(
            weight: TensorRows(tensor: try tensor(prefix + ".weight", [outputs, inputs, 1]), rows: 0..<outputs),
            bias: bias.map { TensorRows(tensor: $0, rows: 0..<outputs) })
    }

    /// `prefix`.weight and, for a layer norm, `prefix`.bias if there is one.
    func norm(_ prefix: String, width: Int) throws(CheckpointError) -> NormTensors {
        NormTensors(
            weight: try tensor(prefix + ".weight", [width]), bias: try tensorIfPresent(prefix + ".bias", [width]))
    }
}

extension ModelTensors {
    /// Names of all tensors that play a role.
    var names: Set<String> {
        var tensors: [Tensor?] = [embedding, norm?.weight, norm?.bias]
        for layer in layers {
            tensors += [layer.rnnNorm?.weight, layer.rnnNorm?.bias, layer.mlpNorm?.weight, layer.mlpNorm?.bias]
            tensors += [layer.convolution?.weight, layer.convolution?.bias, layer.initialState]
        }
        for map in maps { tensors += [map.weight.tensor, map.bias?.tensor] }
        return Set(tensors.compactMap { $0?.name })
    }

    /// All linear maps: what is kept as the weight type says.
    var maps: [LinearTensors] {
        var maps: [LinearTensors?] = [input, output]
        for layer in layers { maps += [layer.pointwise, layer.out, layer.mlp?.up, layer.mlp?.down] + layer.parts }
        return maps.compactMap(\.self)
    }
}
