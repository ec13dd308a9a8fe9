import JSON
import Kernels

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

/// The layout of the authors' code (apple/ml-pararnn): a cell alone, or layers of it.
///
/// | name | shape |
/// |---|---|
/// | `layers.N.A`: z, r, h; or f, o, c | (3, width) |
/// | `layers.N.B`, the same parts: block-diagonal input maps of heads | (heads, inputs / heads, 3, width / heads) |
/// | `layers.N.b` | (3, width) |
/// | `layers.N.C` (ParaLSTM): peepholes of f and o | (2, width) |
///
/// The nonlinearities, which the tensors do not show, are the defaults of that code: σ and tanh.
enum MLPararnnLayout: PublishedLayout {
    static let name = "ml-pararnn"
    static let marks = ["B"]

    static func candidates(in file: TensorFile) -> [TensorFile] { ParaStack.candidates(in: file, of: Self.self) }

    static func matches(_ file: TensorFile) -> Bool {
        guard let stack = ParaStack(file, mark: "B"), let input = try? file.optional(stack.prefix(0) + "B") else {
            return false
        }
        return input.shape.count == 4 && file.contains(stack.prefix(0) + "A")
    }

    static func configuration(
        of file: TensorFile, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelConfiguration {
        let stack = ParaStack(file, mark: "B")!
        var widths: [Int] = []
        for layer in 0..<stack.layers {
            let name = stack.prefix(layer) + "B"
            guard let tensor = try file.optional(name) else { throw .missingTensor(file.prefix + name) }
            let shape = tensor.shape
            guard shape.count == 4, shape[2] == 3, tensor.count > 0 else {
                throw .wrongShape(tensor: tensor.name, expected: [1, 1, 3, 1], found: shape)
            }
            let (inputs, width) = (shape[0] * shape[1], shape[0] * shape[3])
            guard widths.isEmpty || widths.last == inputs else {
                throw .wrongShape(
                    tensor: tensor.name, expected: [shape[0], widths.last! / shape[0], 3, shape[3]], found: shape)
            }
            if let recurrent = try file.optional(stack.prefix(layer) + "A"), recurrent.shape != [3, width] {
                throw .configuration(
                    file: file.path,
                    reason:
                        "tensor \(tensor.name) has shape \(shape), so \(recurrent.name) must be [3, \(width)], and it "
                        + "is \(recurrent.shape)")
            }
            widths += widths.isEmpty ? [inputs, width] : [width]
        }
        return ParaStack.configuration(
            ParaCell(file.contains(stack.prefix(0) + "C") ? .lstm : .gru, limit: nil), widths)
    }

    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelTensors {
        let (stack, widths) = (ParaStack(file, mark: "B")!, configuration.streamWidths)
        let cell = configuration.cell as! ParaCell
        // The parts as the kernel has them: its LSTM goes f, c, o.
        let order = cell.kind == .lstm ? [0, 2, 1] : [0, 1, 2]
        var layers: [LayerTensors] = []
        for layer in 0..<stack.layers {
            let (prefix, width) = (stack.prefix(layer), widths[layer + 1])
            let recurrent = try file.tensor(prefix + "A", [3, width])
            var rows = order.map { TensorRows(tensor: recurrent, rows: $0..<$0 + 1) }
            if cell.kind == .lstm {
                let peepholes = try file.tensor(prefix + "C", [2, width])
                rows += (0..<2).map { TensorRows(tensor: peepholes, rows: $0..<$0 + 1) }
            }
            let bias = try file.tensor(prefix + "b", [3, width])
            let input = try file.optional(prefix + "B")!
            layers.append(
                LayerTensors(
                    cell: ParaTensors(
                        cell: cell,
                        input: .heads(
                            input, order: order, bias: order.map { TensorRows(tensor: bias, rows: $0..<$0 + 1) }),
                        recurrent: rows)))
        }
        return ModelTensors(layers: layers)
    }
}

/// Layers of one cell, `layers.N.…`, or a cell alone.
struct ParaStack {
    let layers: Int
    private let isSingle: Bool

    /// - Parameter mark: a tensor that each layer has.
    init?(_ file: TensorFile, mark: String) {
        isSingle = file.contains(mark)
        let layers = isSingle ? 1 : PublishedLayouts.layers(of: file, mark)
        guard layers > 0 else { return nil }
        self.layers = layers
    }

    /// The files behind what stands before a stack of layers or, where there is none, before a cell alone.
    static func candidates(in file: TensorFile, of layout: any PublishedLayout.Type) -> [TensorFile] {
        for mark in ["layers.0." + layout.marks[0], layout.marks[0]] {
            let prefixes = Set(file.names.filter { $0.hasSuffix(mark) }.map { $0.dropLast(mark.count) })
                .filter { $0.isEmpty || $0.hasSuffix(".") }
            let found = prefixes.sorted().map { file.behind(String($0)) }.filter(layout.matches)
            if !found.isEmpty { return found }
        }
        return []
    }

    /// What stands before the names of a layer's tensors.
    func prefix(_ layer: Int) -> String { isSingle ? "" : "layers.\(layer)." }

    /// Layers one on the other, vectors in and hidden states out.
    static func configuration(_ cell: ParaCell, _ widths: [Int]) -> ModelConfiguration {
        ModelConfiguration(
            cell: cell, order: .stacked, layers: widths.count - 1, width: widths[0], innerWidth: widths[0],
            layerWidths: Array(widths.dropFirst()), finalNorm: false, input: .vectors(size: widths[0]),
            output: .vectors(size: widths.last!), mapsInput: false, mapsOutput: false)
    }
}
