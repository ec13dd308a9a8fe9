import Kernels

/// The layout of a folder with a `config.json`: tensor names say what each tensor does.
///
/// | name | shape |
/// |---|---|
/// | `embedding.weight` (tokens) or `input.weight`, `input.bias`? (vectors) | (vocabulary, width) or (width, size) |
/// | `layers.N.rnn_norm.weight`, `.bias`? | (width) |
/// | `layers.N.conv.weight`, `.bias`? | (width, kernel) |
/// | `layers.N.conv_pointwise.weight`, `.bias`? | (width, width) |
/// | `layers.N.rnn.…` | what the cell needs: `Cell.shapes` |
/// | `layers.N.rnn.out.weight`, `.bias`? (needed when inner ≠ width) | (width, inner) |
/// | `layers.N.align.weight`, `.bias`? (`layer_widths` that differ, order paper) | (width behind, width before) |
/// | `layers.N.highway.weight`, `.bias`? (order highway) | (width, width) |
/// | `layers.N.mlp_norm.weight`, `.bias`? | (width) |
/// | `layers.N.mlp.up`, `layers.N.mlp.gate` (geglu), `layers.N.mlp.down`: `.weight`, `.bias`? | (mlp, width), the same, (width, mlp) |
/// | `norm.weight`, `.bias`? | (width) |
/// | `output.weight`, `.bias`? (unless the stream is the output) | (output size, width) |
///
/// With `layer_widths`, the width before a layer and the width behind it stand for `width` and `inner`.
///
/// All names may stand behind a common prefix, as wrappers of a model put it there.
enum NativeLayout {
    private static let first: Set<Substring> = ["embedding", "input", "layers", "norm", "output"]

    /// Whether the tensors have these names.
    static func matches(_ file: TensorFile) -> Bool {
        let marks = CellFamilies.all.flatMap { $0.marks }.map { ".rnn." + $0 }
        return file.names.contains { name in marks.contains { name.hasSuffix($0) } }
    }

    /// The file behind the prefix that all names have in common and that is none of this layout's own.
    static func unwrapped(_ file: TensorFile) -> TensorFile {
        let names = file.names
        var prefix = ""
        while let name = names.first?.dropFirst(prefix.count), let dot = name.firstIndex(of: ".") {
            let longer = prefix + name[...dot]
            guard !first.contains(name[..<dot]), names.allSatisfy({ $0.hasPrefix(longer) }) else { break }
            prefix = longer
        }
        return file.behind(prefix)
    }

    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration
    ) throws(CheckpointError) -> ModelTensors {
        let widths = configuration.streamWidths
        var layers: [LayerTensors] = []
        for index in 0..<configuration.layers {
            let prefix = "layers.\(index)."
            let (width, inner, behind) = (widths[index], configuration.hiddenWidth(index), widths[index + 1])
            var layer = LayerTensors(
                cell: try configuration.cell.tensors(of: file, prefix + "rnn.", inputs: width, outputs: inner))
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
            if inner != behind || configuration.order.hasOutputMap && file.contains(prefix + "rnn.out.weight") {
                layer.out = try file.linear(prefix + "rnn.out", outputs: behind, inputs: inner)
            }
            if configuration.order == .highway {
                layer.highway = try file.linear(prefix + "highway", outputs: width, inputs: width)
            } else if width != behind && configuration.order == .paper {
                layer.align = try file.linear(prefix + "align", outputs: behind, inputs: width)
            }
            if let mlp = configuration.mlp {
                if configuration.norm != nil { layer.mlpNorm = try file.norm(prefix + "mlp_norm", width: width) }
                layer.mlp = (
                    up: try file.linear(prefix + "mlp.up", outputs: mlp.width, inputs: width),
                    gate: mlp.activation == .geglu
                        ? try file.linear(prefix + "mlp.gate", outputs: mlp.width, inputs: width) : nil,
                    down: try file.linear(prefix + "mlp.down", outputs: width, inputs: mlp.width)
                )
            }
            layers.append(layer)
        }
        var tensors = ModelTensors(layers: layers)
        switch configuration.input {
        case .tokens(let size): tensors.embedding = try file.tensor("embedding.weight", [size, configuration.width])
        case .vectors(let size):
            guard configuration.mapsInput else { break }
            tensors.input = try file.linear("input", outputs: configuration.width, inputs: size)
        }
        let last = widths.last!
        if configuration.finalNorm { tensors.norm = try file.norm("norm", width: last) }
        if configuration.mapsOutput {
            tensors.output = try file.linear("output", outputs: configuration.outputSize, inputs: last)
        }
        return tensors
    }
}
