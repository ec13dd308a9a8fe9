import JSON

extension NativeLayout {
    /// Names and shapes of the tensors that a model of that architecture needs, without what it may have beside.
    static func shapes(_ configuration: ModelConfiguration) -> [(name: String, shape: [Int])] {
        let widths = configuration.streamWidths
        var shapes: [(name: String, shape: [Int])] = []
        func linear(_ name: String, _ outputs: Int, _ inputs: Int) {
            shapes.append((name + ".weight", [outputs, inputs]))
        }
        func norm(_ name: String, _ width: Int) {
            if configuration.norm != nil { shapes.append((name + ".weight", [width])) }
        }
        switch configuration.input {
        case .tokens(let size): shapes.append(("embedding.weight", [size, configuration.width]))
        case .vectors(let size): if configuration.mapsInput { linear("input", configuration.width, size) }
        }
        for index in 0..<configuration.layers {
            let prefix = "layers.\(index)."
            let (width, inner, behind) = (widths[index], configuration.hiddenWidth(index), widths[index + 1])
            norm(prefix + "rnn_norm", width)
            if let shape = configuration.convolution {
                shapes.append((prefix + "conv.weight", [width, shape.kernel]))
                if shape.pointwise { linear(prefix + "conv_pointwise", width, width) }
            }
            shapes += configuration.cell.shapes(inputs: width, outputs: inner).map {
                (prefix + "rnn." + $0.name, $0.shape)
            }
            if inner != behind { linear(prefix + "rnn.out", behind, inner) }
            if configuration.order == .highway { linear(prefix + "highway", width, width) }
            if configuration.order == .paper, width != behind { linear(prefix + "align", behind, width) }
            if let mlp = configuration.mlp {
                norm(prefix + "mlp_norm", width)
                linear(prefix + "mlp.up", mlp.width, width)
                if mlp.activation == .geglu { linear(prefix + "mlp.gate", mlp.width, width) }
                linear(prefix + "mlp.down", width, mlp.width)
            }
        }
        if configuration.finalNorm { norm("norm", widths.last!) }
        if configuration.mapsOutput { linear("output", configuration.outputSize, widths.last!) }
        return shapes
    }
}

extension ModelConfiguration {
    /// Names and shapes of the tensors that a folder needs beside that `config.json`.
    public static func tensorShapes(
        forConfiguration json: String
    ) throws(CheckpointError) -> [(name: String, shape: [Int])] {
        let document: JSONDocument
        do {
            document = try JSONDocument(parsing: Array(json.utf8))
        } catch {
            throw .configuration(file: "config.json", reason: "it is not JSON: \(error)")
        }
        return NativeLayout.shapes(try ModelConfiguration(json: document.root, file: "config.json"))
    }

    /// What `cell` may be in a `config.json`.
    public static var cellNames: [String] { CellFamilies.cells }
}
