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
        guard let stack = ParaStack(file, mark: "B"),
            let input = try? file.optional(stack.prefix(stack.first) + "B")
        else { return false }
        let prefix = stack.prefix(stack.first)
        return input.shape.count == 4
            && (file.contains(prefix + "A") || input.shape[2] == 3 && file.contains(prefix + "b"))
    }

    static func configuration(
        of file: TensorFile, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelConfiguration {
        let stack = ParaStack(file, mark: "B")!
        var widths: [Int] = []
        for layer in 0..<stack.layers {
            let name = stack.prefix(layer) + "B"
            guard let tensor = try file.optional(name) else {
                let inputs = widths.last.map(String.init) ?? "inputs"
                throw .missing(
                    tensor: file.prefix + name, expected: "[heads, \(inputs) / heads, 3, width / heads]")
            }
            let shape = tensor.shape
            guard shape.count == 4, shape[2] == 3, tensor.count > 0 else {
                throw .wrongShape(tensor: tensor.name, expected: [1, 1, 3, 1], found: shape)
            }
            let (inputs, width) = (shape[0] * shape[1], shape[0] * shape[3])
            if let before = widths.last, before % shape[0] != 0 {
                throw .configuration(
                    file: file.path,
                    reason:
                        "tensor \(tensor.name) has shape \(shape), of \(shape[0]) heads that take as many values each, "
                        + "and the layer before it leaves \(before) values")
            }
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
            let recurrent = try file.expected(prefix + "A", [3, width])
            var rows = order.map { TensorRows(tensor: recurrent, rows: $0..<$0 + 1) }
            if cell.kind == .lstm {
                let peepholes = try file.expected(prefix + "C", [2, width])
                rows += (0..<2).map { TensorRows(tensor: peepholes, rows: $0..<$0 + 1) }
            }
            let bias = try file.expected(prefix + "b", [3, width])
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
