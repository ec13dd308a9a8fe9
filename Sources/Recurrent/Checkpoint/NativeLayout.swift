import Kernels

/// The layout of a folder with a `config.json`: tensor names say what each tensor does.
///
/// | name | shape |
/// |---|---|
/// | `embedding.weight` (tokens) or `input.weight`, `input.bias`? (vectors) | (vocabulary, width) or (width, size) |
/// | `layers.N.rnn_norm.weight`, `.bias`? | (width) |
/// | `layers.N.conv.weight`, `.bias`? | (width, kernel) |
/// | `layers.N.conv_pointwise.weight`, `.bias`? | (width, width) |
/// | `layers.N.rnn.candidate`, `.gate` or `.candidate`, `.forget`, `.input`: `.weight`, `.bias`? | (inner, width) |
/// | `layers.N.rnn.out.weight`, `.bias`? (needed when inner ≠ width) | (width, inner) |
/// | `layers.N.rnn.initial_state`? | (inner) |
/// | `layers.N.mlp_norm.weight`, `.bias`? | (width) |
/// | `layers.N.mlp.up`, `layers.N.mlp.down`: `.weight`, `.bias`? | (mlp, width), (width, mlp) |
/// | `norm.weight`, `.bias`? | (width) |
/// | `output.weight`, `.bias`? | (output size, width) |
enum NativeLayout {
    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration
    ) throws(CheckpointError) -> ModelTensors {
        let (width, inner) = (configuration.width, configuration.innerWidth)
        var layers: [LayerTensors] = []
        for index in 0..<configuration.layers {
            let prefix = "layers.\(index)."
            let names = configuration.cell == .minGRU ? ["candidate", "gate"] : ["candidate", "forget", "input"]
            var parts: [LinearTensors] = []
            for name in names { parts.append(try file.linear(prefix + "rnn." + name, outputs: inner, inputs: width)) }
            var layer = LayerTensors(parts: parts)
            if configuration.norm != nil { layer.rnnNorm = try file.norm(prefix + "rnn_norm", width: width) }
            if let shape = configuration.convolution {
                layer.convolution = (
                    try file.tensor(prefix + "conv.weight", [width, shape.kernel]),
                    try file.tensorIfPresent(prefix + "conv.bias", [width])
                )
                if shape.pointwise {
                    layer.pointwise = try file.linear(prefix + "conv_pointwise", outputs: width, inputs: width)
                }
            }
            if inner != width || file.contains(prefix + "rnn.out.weight") {
                layer.out = try file.linear(prefix + "rnn.out", outputs: width, inputs: inner)
            }
            layer.initialState = try file.tensorIfPresent(prefix + "rnn.initial_state", [inner])
            if let mlpWidth = configuration.mlpWidth {
                if configuration.norm != nil { layer.mlpNorm = try file.norm(prefix + "mlp_norm", width: width) }
                layer.mlp = (
                    try file.linear(prefix + "mlp.up", outputs: mlpWidth, inputs: width),
                    try file.linear(prefix + "mlp.down", outputs: width, inputs: mlpWidth)
                )
            }
            layers.append(layer)
        }
        var tensors = ModelTensors(
            layers: layers, output: try file.linear("output", outputs: configuration.outputSize, inputs: width))
        switch configuration.input {
        case .tokens(let size): tensors.embedding = try file.tensor("embedding.weight", [size, width])
        case .vectors(let size): tensors.input = try file.linear("input", outputs: width, inputs: size)
        }
        if configuration.finalNorm { tensors.norm = try file.norm("norm", width: width) }
        return tensors
    }
}
