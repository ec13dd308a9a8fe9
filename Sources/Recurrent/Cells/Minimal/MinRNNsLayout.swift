import Kernels

/// The layout of the code that the authors of arXiv 2410.01201 published (BorealisAI/minRNNs).
///
/// | name | shape |
/// |---|---|
/// | `token_emb.weight`, or `layer_in.weight`, `.bias` | (vocabulary, width), or (width, size) |
/// | `layers.N.0.net.0.weight`, `.bias`, `layers.N.0.net.1.weight`, `.bias` (optional) | (width, 1, kernel), (width), (width, width, 1), (width) |
/// | `layers.N.1.gamma` | (width) |
/// | `layers.N.2.to_hidden_and_gate.weight`, `.bias`: candidate, gate; or candidate, forget, input | (parts · inner, width) |
/// | `layers.N.2.init_hidden_state` (optional): g of it is the state before the first step | (inner) |
/// | `layers.N.2.to_out.weight`, `.bias` | (width, inner) |
/// | `layers.N.3.gamma` | (width); without a feed-forward layer it plays no role |
/// | `layers.N.4…` (optional): a linear map to value and gate, `mult_bias`, a linear map | (2 · mlp, width), (mlp), (width, mlp) |
/// | `norm.gamma`, `to_out.weight` | (width), (output size, width) |
///
/// Norms divide by the length of their input; the weight is √width · (gamma + 1). Whether the gates of a minLSTM are
/// normalised cannot be seen: they are not unless `config.json` says so, as in that code.
enum MinRNNsLayout: PublishedLayout {
    static let name = "minRNNs"

    static let hints: Set = ["normalised_gates"]

    static let marks = ["layers.0.2.to_hidden_and_gate.weight"]

    static func matches(_ file: TensorFile) -> Bool {
        file.contains("to_out.weight") && marks.contains(where: file.contains)
            && (file.contains("token_emb.weight") || file.contains("layer_in.weight"))
    }

    static func configuration(
        of file: TensorFile, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelConfiguration {
        let recurrent = "layers.0.2.to_hidden_and_gate.weight"
        let rows = try PublishedLayouts.matrix(recurrent, of: file).rows
        let (width, inner) = try PublishedLayouts.matrix("layers.0.2.to_out.weight", of: file)
        guard rows == 2 * inner || rows == 3 * inner else {
            throw .wrongShape(tensor: file.prefix + recurrent, expected: [2 * inner, width], found: [rows, width])
        }
        let input: ModelConfiguration.Input
        if file.contains("token_emb.weight") {
            input = .tokens(vocabularySize: try PublishedLayouts.matrix("token_emb.weight", of: file).rows)
        } else {
            input = .vectors(size: try PublishedLayouts.matrix("layer_in.weight", of: file).columns)
        }
        let outputs = try PublishedLayouts.matrix("to_out.weight", of: file).rows
        let output: ModelConfiguration.Output
        if case .tokens(outputs) = input { output = .logits } else { output = .vectors(size: outputs) }
        if file.contains("norm.running_mean") {
            throw .configuration(file: file.path, reason: "batch norms of the layout minRNNs are not served")
        }
        let convolution = try file.separableConvolution("layers.0.0.net", width: width, usual: 4)
        var mlp: ModelConfiguration.MLPShape?
        if let names = feedForward(file, layer: 0) {
            mlp = .init(
                width: try PublishedLayouts.matrix(names.down + ".weight", of: file).columns, activation: .geglu)
        }
        let lstm: MinimalCell.Kind = try hints.flag("normalised_gates") == true ? .minLSTM : .minLSTMUnnormalised
        return ModelConfiguration(
            cell: MinimalCell(rows == 2 * inner ? .minGRU : lstm, .logSpace), order: .minGRUPyTorch,
            layers: PublishedLayouts.layers(of: file, "2.to_hidden_and_gate.weight"), width: width, innerWidth: inner,
            norm: .init(kind: .rms, epsilon: PublishedLayouts.unitEpsilon(width)), finalNorm: true,
            convolution: convolution, mlp: mlp, input: input,
            output: output)
    }

    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelTensors {
        let (width, inner) = (configuration.width, configuration.innerWidth)
        let cell = configuration.cell as! MinimalCell
        var layers: [LayerTensors] = []
        var unused: Set<String> = []
        for index in 0..<configuration.layers {
            let prefix = "layers.\(index)."
            let maps = try file.linears(
                prefix + "2.to_hidden_and_gate", parts: cell.kind.parts, outputs: inner, inputs: width)
            let initial = try file.tensorIfPresent(prefix + "2.init_hidden_state", [inner])
            var layer = LayerTensors(cell: MinimalTensors(cell, maps, initial: initial.map { .activated($0) }))
            layer.rnnNorm = try file.norm(prefix + "1", width: width)
            layer.out = try file.linear(prefix + "2.to_out", outputs: width, inputs: inner)
            if let shape = configuration.convolution {
                (layer.convolution, layer.pointwise) = try file.separableConvolution(
                    prefix + "0.net", width: width, kernel: shape.kernel)
            }
            if let mlp = configuration.mlp {
                guard let names = feedForward(file, layer: index) else { throw .missingTensor("\(prefix)4.0.weight") }
                let halves = try file.linears(names.up, parts: 2, outputs: mlp.width, inputs: width)
                var up = halves[0]
                up.scale = try names.scale.map { (name) throws(CheckpointError) in try file.tensor(name, [mlp.width]) }
                layer.mlpNorm = try file.norm(prefix + "3", width: width)
                layer.mlp = (up, halves[1], try file.linear(names.down, outputs: width, inputs: mlp.width))
            } else {
                unused.insert(file.prefix + prefix + "3.gamma")
            }
            layers.append(layer)
        }
        var tensors = ModelTensors(
            layers: layers, norm: try file.norm("norm", width: width),
            output: try file.linear("to_out", outputs: configuration.outputSize, inputs: width), unused: unused)
        switch configuration.input {
        case .tokens(let size): tensors.embedding = try file.tensor("token_emb.weight", [size, width])
        case .vectors(let size): tensors.input = try file.linear("layer_in", outputs: width, inputs: size)
        }
        return tensors
    }

    /// What the parts of a feed-forward layer are called: its two linear maps in order, and the factors between them.
    private static func feedForward(_ file: TensorFile, layer: Int) -> (up: String, down: String, scale: String?)? {
        let names = file.shortNames.filter { $0.hasPrefix("layers.\(layer).4.") }
        let maps = names.filter { $0.hasSuffix(".weight") }.map { String($0.dropLast(".weight".count)) }
        guard maps.count == 2 else { return nil }
        return (maps[0], maps[1], names.first { $0.hasSuffix(".mult_bias") })
    }
}
