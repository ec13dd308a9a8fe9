import Kernels

/// The layout of `MinGRU` in the Python package mingru (cheind/mingru): recurrent layers one on the other, each as wide
/// as it likes, without maps before or behind them.
///
/// | name | shape |
/// |---|---|
/// | `layers.N.norm.weight`, `.bias` (optional): a layer norm | (width before) |
/// | `layers.N.gate_hidden.weight`, `.bias`?: gate, candidate | (2 · width behind, width before) |
/// | `layers.N.res_align.weight` (residual layers that change the width) | (width behind, width before) |
///
/// Hidden states begin at g(0) = ½. Where no layer changes the width, its tensors do not show whether there are residual
/// connections: `config.json` must say it.
enum MinGRUStackLayout: PublishedLayout {
    static let name = "mingru"

    static let hints: Set = ["residual"]

    static let marks = ["layers.0.gate_hidden.weight"]

    static func matches(_ file: TensorFile) -> Bool { marks.contains(where: file.contains) }

    static func configuration(
        of file: TensorFile, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelConfiguration {
        let layers = PublishedLayouts.layers(of: file, "gate_hidden.weight")
        var widths: [Int] = []
        var changing: [Int] = []
        for index in 0..<layers {
            let name = "layers.\(index).gate_hidden.weight"
            let (rows, columns) = try PublishedLayouts.matrix(name, of: file)
            guard rows % 2 == 0, widths.isEmpty || widths.last == columns else {
                throw .wrongShape(
                    tensor: file.prefix + name, expected: [rows + rows % 2, widths.last ?? columns],
                    found: [rows, columns])
            }
            if widths.isEmpty { widths.append(columns) }
            widths.append(rows / 2)
            if rows / 2 != columns { changing.append(index) }
        }
        let residual: Bool
        if let first = changing.first {
            residual = file.contains("layers.\(first).res_align.weight")
        } else if let hint = try hints.flag("residual") {
            residual = hint
        } else {
            let settling = "{\"layout\": \"mingru\", \"residual\": true}"
            throw refusal(of: file, with: settling, at: file.path)
                ?? .configuration(
                    file: file.path,
                    reason: "whether its layers have residual connections cannot be seen in the tensors: "
                        + "a config.json \(settling) or false must say it")
        }
        return ModelConfiguration(
            cell: MinimalCell(.minGRU, .logSpace), order: residual ? .paper : .stacked, layers: layers,
            width: widths[0],
            innerWidth: widths[0], layerWidths: Array(widths.dropFirst()),
            norm: file.contains("layers.0.norm.weight") ? .init(kind: .layer, epsilon: 1e-5) : nil, finalNorm: false,
            input: .vectors(size: widths[0]), output: .vectors(size: widths.last!), mapsInput: false, mapsOutput: false)
    }

    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelTensors {
        let widths = configuration.streamWidths
        var layers: [LayerTensors] = []
        for index in 0..<configuration.layers {
            let prefix = "layers.\(index)."
            let (before, behind) = (widths[index], widths[index + 1])
            let parts = try file.linears(prefix + "gate_hidden", parts: 2, outputs: behind, inputs: before)
            var layer = LayerTensors(
                cell: MinimalTensors(
                    MinimalCell(.minGRU, .logSpace), parts.reversed(), initial: .constant(0.5)))
            if configuration.norm != nil { layer.rnnNorm = try file.norm(prefix + "norm", width: before) }
            if configuration.order == .paper, before != behind {
                layer.align = try file.linear(prefix + "res_align", outputs: behind, inputs: before)
            }
            layers.append(layer)
        }
        return ModelTensors(layers: layers)
    }
}
