/// The layout of the package `pararnn-torch`: a cell alone, or layers of it.
///
/// | name | shape |
/// |---|---|
/// | `layers.N.a_z`, `.a_r`, `.a_n`; or `.a_f`, `.a_z`, `.a_o` | (width) |
/// | `layers.N.c_f`, `.c_o` (ParaLSTM) | (width) |
/// | `layers.N.W_x.weight`, `.bias`: z, r, n; or f, z, o | (3 · width, inputs), (3 · width) |
///
/// The package cuts recurrent weights and peepholes to ±0.5 unless it is told another limit, which the tensors do not
/// show: `max_recurrent_norm` in `config.json`, a number or null.
enum PararnnTorchLayout: PublishedLayout {
    static let name = "pararnn-torch"
    static let marks = ["W_x.weight"]
    static let hints: Set = ["max_recurrent_norm"]

    static func candidates(in file: TensorFile) -> [TensorFile] { ParaStack.candidates(in: file, of: Self.self) }

    static func matches(_ file: TensorFile) -> Bool {
        ParaStack(file, mark: "W_x.weight") != nil && !file.shortNames.contains { $0.hasPrefix("layers.0.rnn.") }
    }

    static func configuration(
        of file: TensorFile, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelConfiguration {
        let stack = ParaStack(file, mark: "W_x.weight")!
        var limit: Float? = 0.5
        if let root = hints.root {
            limit = try ConfigurationReader(root, file: hints.path).positive("max_recurrent_norm", otherwise: 0.5)
        }
        var widths: [Int] = []
        for layer in 0..<stack.layers {
            let name = stack.prefix(layer) + "W_x.weight"
            guard file.contains(name) else {
                let inputs = widths.last.map(String.init) ?? "inputs"
                throw .missing(tensor: file.prefix + name, expected: "[3 · width, \(inputs)]")
            }
            let (rows, columns) = try PublishedLayouts.matrix(name, of: file)
            let before = widths.last ?? columns
            guard rows % 3 == 0, columns == before else {
                throw .wrongShape(
                    tensor: file.prefix + name, expected: [(rows + 2) / 3 * 3, before], found: [rows, columns])
            }
            widths += widths.isEmpty ? [columns, rows / 3] : [rows / 3]
        }
        if let dense = file.shortNames.first(where: { $0.hasPrefix(stack.prefix(0) + "A_") }) {
            throw .configuration(
                file: file.path,
                reason: "tensor \(file.prefix + dense) is of heads with dense recurrences, which are not served")
        }
        let isLSTM = ["a_f", "a_o", "c_f", "c_o"].contains { file.contains(stack.prefix(0) + $0) }
        return ParaStack.configuration(ParaCell(isLSTM ? .lstm : .gru, limit: limit), widths)
    }

    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelTensors {
        let (stack, widths) = (ParaStack(file, mark: "W_x.weight")!, configuration.streamWidths)
        var layers: [LayerTensors] = []
        for layer in 0..<stack.layers {
            layers.append(
                LayerTensors(
                    cell: try configuration.cell.tensors(
                        of: file, stack.prefix(layer), inputs: widths[layer], outputs: widths[layer + 1])))
        }
        return ModelTensors(layers: layers)
    }
}
