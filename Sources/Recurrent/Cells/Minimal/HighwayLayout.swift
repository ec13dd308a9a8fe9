import Kernels

/// The layout of `MinGRU` in PufferLib's policies: `layers.N.weight` of (3 · width, width) without a bias, its rows
/// candidate, gate and the gate of a highway connection. Hidden states begin at zero; there are no maps before or behind.
enum HighwayLayout: PublishedLayout {
    static let name = "pufferlib"

    static let marks = ["layers.0.weight"]

    /// Others have tensors of these names too, so all of them must be there and the first have the shape.
    static func matches(_ file: TensorFile) -> Bool {
        let names = Set(file.shortNames)
        guard names == Set((0..<names.count).map { "layers.\($0).weight" }), let first = try? file.optional(marks[0])
        else { return false }
        return first.shape.count == 2 && first.shape[0] == 3 * first.shape[1]
    }

    static func configuration(
        of file: TensorFile, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelConfiguration {
        let (rows, width) = try PublishedLayouts.matrix("layers.0.weight", of: file)
        guard rows == 3 * width else {
            throw .wrongShape(
                tensor: file.prefix + "layers.0.weight", expected: [3 * width, width], found: [rows, width])
        }
        return ModelConfiguration(
            cell: MinimalCell(.minGRU, .logSpace), order: .highway, layers: PublishedLayouts.layers(of: file, "weight"),
            width: width, innerWidth: width, finalNorm: false, input: .vectors(size: width),
            output: .vectors(size: width), mapsInput: false, mapsOutput: false)
    }

    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelTensors {
        let width = configuration.width
        var layers: [LayerTensors] = []
        for index in 0..<configuration.layers {
            let parts = try file.linears("layers.\(index)", parts: 3, outputs: width, inputs: width)
            var layer = LayerTensors(
                cell: MinimalTensors(MinimalCell(.minGRU, .logSpace), Array(parts.prefix(2))))
            layer.highway = parts[2]
            layers.append(layer)
        }
        return ModelTensors(layers: layers)
    }
}
