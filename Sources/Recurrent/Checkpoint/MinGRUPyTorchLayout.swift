import Kernels

/// The layout of `minLM` in the Python package minGRU-pytorch: recognised from its tensor names, needs no
/// `config.json`.
///
/// Rows of the recurrent weight: candidate, gate; or candidate, forget, input. Expansion, feed-forward width, kernel
/// and depth follow from the shapes. Its RMSNorm has PyTorch's default ε, its candidate is the log-space g.
enum MinGRUPyTorchLayout {
    /// ε of `torch.nn.RMSNorm(dim)` for float32: the machine epsilon.
    static let epsilon: Float = 1.192_092_9e-7

    /// The architecture of `file`; nil when the tensor names are not this layout's.
    static func configuration(of file: TensorFile) throws(CheckpointError) -> ModelConfiguration? {
        guard let embedding = try file.optional("token_emb.weight"), file.contains("to_logits.weight") else {
            return nil
        }
        let lstm = file.contains("layers.0.2.to_hidden_and_f_i_gate.weight")
        guard lstm || file.contains("layers.0.2.to_hidden_and_gate.weight") else { return nil }
        guard embedding.shape.count == 2, embedding.count > 0 else {
            throw .wrongShape(tensor: embedding.name, expected: [0, 0], found: embedding.shape)
        }
        let (vocabularySize, width) = (embedding.shape[0], embedding.shape[1])
        let cell: GatedScan.Cell = lstm ? .minLSTM : .minGRU
        var layers = 0
        while file.contains("layers.\(layers).2.\(recurrentName(cell)).weight") { layers += 1 }
        let recurrent = try file.optional("layers.0.2.\(recurrentName(cell)).weight")!
        guard recurrent.shape.count == 2, recurrent.shape[0] > 0, recurrent.shape[0] % cell.parts == 0 else {
            throw .wrongShape(tensor: recurrent.name, expected: [cell.parts * width, width], found: recurrent.shape)
        }
        let up = try file.optional("layers.0.4.0.weight")
        if let up, up.shape.count != 2 || up.shape[0] < 1 {
            throw .wrongShape(tensor: up.name, expected: [4 * width, width], found: up.shape)
        }
        let filter = try file.optional("layers.0.0.net.0.weight")
        if let filter, filter.shape.count != 3 || filter.shape[2] < 1 {
            throw .wrongShape(tensor: filter.name, expected: [width, 1, 3], found: filter.shape)
        }
        return ModelConfiguration(
            cell: cell, candidate: .logSpace, order: .minGRUPyTorch, layers: layers, width: width,
            innerWidth: recurrent.shape[0] / cell.parts, norm: .init(kind: .rms, epsilon: epsilon), finalNorm: true,
            convolution: filter.map { .init(kernel: $0.shape[2], pointwise: true) }, mlpWidth: up?.shape.first,
            input: .tokens(vocabularySize: vocabularySize), output: .logits)
    }

    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration
    ) throws(CheckpointError) -> ModelTensors {
        let (width, inner, cell) = (configuration.width, configuration.innerWidth, configuration.cell)
        var layers: [LayerTensors] = []
        for index in 0..<configuration.layers {
            let prefix = "layers.\(index)."
            let recurrent = try file.linear(
                "\(prefix)2.\(recurrentName(cell))", outputs: cell.parts * inner, inputs: width)
            let parts = (0..<cell.parts).map { part in
                let rows = part * inner..<(part + 1) * inner
                return LinearTensors(
                    weight: TensorRows(tensor: recurrent.weight.tensor, rows: rows),
                    bias: recurrent.bias.map { TensorRows(tensor: $0.tensor, rows: rows) })
            }
            var layer = LayerTensors(parts: parts)
            layer.rnnNorm = try file.norm(prefix + "1", width: width)
            if inner != width || file.contains(prefix + "2.to_out.weight") {
                layer.out = try file.linear(prefix + "2.to_out", outputs: width, inputs: inner)
            }
            if let shape = configuration.convolution {
                layer.convolution = (
                    try file.tensor(prefix + "0.net.0.weight", [width, 1, shape.kernel]),
                    try file.tensorIfPresent(prefix + "0.net.0.bias", [width])
                )
                layer.pointwise = try file.pointwise(prefix + "0.net.1", outputs: width, inputs: width)
            }
            if let mlpWidth = configuration.mlpWidth {
                layer.mlpNorm = try file.norm(prefix + "3", width: width)
                layer.mlp = (
                    try file.linear(prefix + "4.0", outputs: mlpWidth, inputs: width),
                    try file.linear(prefix + "4.2", outputs: width, inputs: mlpWidth)
                )
            }
            layers.append(layer)
        }
        return ModelTensors(
            embedding: try file.tensor("token_emb.weight", [configuration.outputSize, width]), layers: layers,
            norm: try file.norm("norm", width: width),
            output: try file.linear("to_logits", outputs: configuration.outputSize, inputs: width))
    }

    private static func recurrentName(_ cell: GatedScan.Cell) -> String {
        cell == .minLSTM ? "to_hidden_and_f_i_gate" : "to_hidden_and_gate"
    }
}
