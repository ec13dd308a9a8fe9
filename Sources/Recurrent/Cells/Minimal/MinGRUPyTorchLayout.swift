import Kernels

/// The layout of `minLM` in the Python package minGRU-pytorch: recognised from its tensor names, needs no
/// `config.json`.
///
/// Rows of the recurrent weight: candidate, gate; or candidate, forget, input. Expansion, feed-forward width, kernel
/// and depth follow from the shapes. Its RMSNorm has PyTorch's default ε, its candidate is the log-space g. Up to its
/// version 0.0.14 norms were called `gamma` and held the weight less one.
enum MinGRUPyTorchLayout: PublishedLayout {
    static let name = "minGRU-pytorch"

    /// ε of `torch.nn.RMSNorm(dim)` for float32: the machine epsilon.
    private static let epsilon: Float = 1.192_092_9e-7

    static let marks = [MinimalCell.Kind.minGRU, .minLSTM].map { "layers.0.2.\(recurrentName($0)).weight" }

    static func matches(_ file: TensorFile) -> Bool {
        file.contains("token_emb.weight") && file.contains("to_logits.weight")
            && marks.contains(where: file.contains)
    }

    static func configuration(
        of file: TensorFile, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelConfiguration {
        let lstm = file.contains("layers.0.2.to_hidden_and_f_i_gate.weight")
        let (vocabularySize, width) = try PublishedLayouts.matrix("token_emb.weight", of: file)
        let cell: MinimalCell.Kind = lstm ? .minLSTM : .minGRU
        let layers = PublishedLayouts.layers(of: file, "2.\(recurrentName(cell)).weight")
        let recurrent = try file.optional("layers.0.2.\(recurrentName(cell)).weight")!
        guard recurrent.shape.count == 2, recurrent.shape[0] > 0, recurrent.shape[0] % cell.parts == 0 else {
            throw .wrongShape(tensor: recurrent.name, expected: [cell.parts * width, width], found: recurrent.shape)
        }
        let up = try file.optional("layers.0.4.0.weight")
        if let up, up.shape.count != 2 || up.shape[0] < 1 {
            throw .wrongShape(tensor: up.name, expected: [4 * width, width], found: up.shape)
        }
        let convolution = try file.separableConvolution("layers.0.0.net", width: width, usual: 3)
        return ModelConfiguration(
            cell: MinimalCell(cell, .logSpace), order: .minGRUPyTorch, layers: layers, width: width,
            innerWidth: recurrent.shape[0] / cell.parts,
            norm: .init(
                kind: .rms, epsilon: file.contains("norm.gamma") ? PublishedLayouts.unitEpsilon(width) : epsilon),
            finalNorm: true, convolution: convolution,
            mlp: up.map { .init(width: $0.shape[0]) },
            input: .tokens(vocabularySize: vocabularySize), output: .logits)
    }

    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelTensors {
        let (width, inner) = (configuration.width, configuration.innerWidth)
        let cell = configuration.cell as! MinimalCell
        var layers: [LayerTensors] = []
        for index in 0..<configuration.layers {
            let prefix = "layers.\(index)."
            let maps = try file.linears(
                "\(prefix)2.\(recurrentName(cell.kind))", parts: cell.kind.parts, outputs: inner, inputs: width)
            var layer = LayerTensors(cell: MinimalTensors(cell, maps))
            layer.rnnNorm = try file.norm(prefix + "1", width: width)
            if inner != width || file.contains(prefix + "2.to_out.weight") {
                layer.out = try file.linear(prefix + "2.to_out", outputs: width, inputs: inner)
            }
            if let shape = configuration.convolution {
                (layer.convolution, layer.pointwise) = try file.separableConvolution(
                    prefix + "0.net", width: width, kernel: shape.kernel)
            }
            if let mlp = configuration.mlp {
                layer.mlpNorm = try file.norm(prefix + "3", width: width)
                layer.mlp = (
                    up: try file.linear(prefix + "4.0", outputs: mlp.width, inputs: width), gate: nil,
                    down: try file.linear(prefix + "4.2", outputs: width, inputs: mlp.width)
                )
            }
            layers.append(layer)
        }
        return ModelTensors(
            embedding: try file.tensor("token_emb.weight", [configuration.outputSize, width]), layers: layers,
            norm: try file.norm("norm", width: width),
            output: try file.linear("to_logits", outputs: configuration.outputSize, inputs: width))
    }

    private static func recurrentName(_ cell: MinimalCell.Kind) -> String {
        cell == .minGRU ? "to_hidden_and_gate" : "to_hidden_and_f_i_gate"
    }
}
