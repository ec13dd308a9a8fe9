import JSON
import Kernels

extension ModelConfiguration {
    static let norms: [(String, Norm.Kind)] = [("rms", .rms), ("layer", .layer)]

    /// What configuration files and replies call the cell.
    public var cellName: String { cell.name }

    /// Reads `config.json`. Every field is checked, unknown ones are refused: a misspelt option must not be ignored.
    init(json root: JSONValue, file: String) throws(CheckpointError) {
        let reader = ConfigurationReader(root, file: file)
        guard root.kind == .object else { throw reader.refuse("the configuration must be an object") }
        let fields: Set<String> = [
            "cell", "order", "layers", "width", "inner_width", "norm", "final_norm", "convolution", "mlp", "input",
            "output", "layer_widths",
        ]
        // A misspelt field is a better reason than a missing one.
        try reader.expectOnly(fields.union(CellFamilies.all.flatMap { $0.fields }))
        let family = try CellFamilies.family(reader)
        try reader.expectOnly(fields.union(family.fields))
        cell = try family.cell(root["cell"]!.string!, reader)
        order = try reader.choice("order", BlockOrder.allCases.map { ($0.rawValue, $0) })
        layers = try reader.size("layers")
        guard layers <= 1024 else { throw reader.refuse("layers must be at most 1024") }
        width = try reader.size("width")
        innerWidth = reader.has("inner_width") ? try reader.size("inner_width") : width

        norm = try reader.object("norm", ["kind", "epsilon"]).map { (norm) throws(CheckpointError) in
            NormShape(kind: try norm.choice("kind", Self.norms), epsilon: try norm.positive("epsilon"))
        }
        finalNorm = try reader.flag("final_norm") ?? (norm != nil)
        if finalNorm && norm == nil { throw reader.refuse("final_norm needs a norm") }
        convolution = try reader.object("convolution", ["kernel", "pointwise"]).map {
            (convolution) throws(CheckpointError) in
            let pointwise = try convolution.flag("pointwise") ?? false
            return ConvolutionShape(kernel: try convolution.size("kernel"), pointwise: pointwise)
        }
        guard convolution == nil || convolution!.kernel <= 1024 else {
            throw reader.refuse("convolution.kernel must be at most 1024")
        }
        mlp = try reader.object("mlp", ["width", "activation"]).map { (mlp) throws(CheckpointError) in
            let activations = MLPShape.Activation.allCases.map { ($0.rawValue, $0) }
            return MLPShape(
                width: try mlp.size("width"),
                activation: mlp.has("activation") ? try mlp.choice("activation", activations) : .gelu)
        }
        layerWidths = try reader.sizes("layer_widths", count: layers)

        (input, mapsInput) = try Self.input(reader, width: width)
        (output, mapsOutput) = try Self.output(
            reader, isOfTokens: { if case .tokens = $0 { true } else { false } }(input),
            width: layerWidths?.last ?? width)
        if let reason = contradiction { throw reader.refuse(reason) }
    }

    /// What goes in, and whether it goes through a map.
    private static func input(
        _ reader: ConfigurationReader, width: Int
    ) throws(CheckpointError) -> (input: Input, isMapped: Bool) {
        guard let kind = reader.root["input"]?["kind"]?.string, ["tokens", "vectors"].contains(kind) else {
            throw reader.refuse(reader.has("input") ? "input.kind must be one of tokens, vectors" : "input is missing")
        }
        if kind == "tokens" {
            let input = try reader.object("input", ["kind", "vocabulary_size"])!
            return (.tokens(vocabularySize: try input.size("vocabulary_size")), true)
        }
        let input = try reader.object("input", ["kind", "size", "map"])!
        let (size, isMapped) = (try input.size("size"), try input.flag("map") ?? true)
        guard isMapped || size == width else {
            throw reader.refuse("input.size must be width, \(width), where the input has no map")
        }
        return (.vectors(size: size), isMapped)
    }

    /// What comes out, and whether it is a map of the stream behind the last layer, which is `width` wide.
    private static func output(
        _ reader: ConfigurationReader, isOfTokens: Bool, width: Int
    ) throws(CheckpointError) -> (output: Output, isMapped: Bool) {
        let kind = reader.root["output"]?["kind"]?.string
        switch kind {
        case "logits":
            _ = try reader.object("output", ["kind"])
            guard isOfTokens else { throw reader.refuse("output logits need an input of tokens") }
            return (.logits, true)
        case "vectors":
            let output = try reader.object("output", ["kind", "size", "map"])!
            let (size, isMapped) = (try output.size("size"), try output.flag("map") ?? true)
            guard isMapped || size == width else {
                throw reader.refuse("output.size must be \(width), the last width, where the output has no map")
            }
            return (.vectors(size: size), isMapped)
        case "probabilities":
            let output = try reader.object("output", ["kind", "size"])!
            return (.probabilities(size: try output.size("size")), true)
        default:
            throw reader.refuse(
                reader.has("output")
                    ? "output.kind must be one of logits, vectors, probabilities" : "output is missing")
        }
    }

    /// Parts that do not go together; nil where all do.
    private var contradiction: String? {
        let isBare = convolution == nil && mlp == nil && innerWidth == width
        switch order {
        case .highway where !isBare || norm != nil || layerWidths != nil:
            return "the order highway has no norm, convolution, mlp, inner_width or layer_widths"
        case .stacked where !isBare:
            return "the order stacked has no convolution, mlp or inner_width"
        case .paper, .minGRUPyTorch, .highway, .stacked: break
        }
        guard layerWidths == nil || isBare && order != .minGRUPyTorch else {
            return "layer_widths need the order paper or stacked, and no convolution, mlp or inner_width"
        }
        return nil
    }
}
