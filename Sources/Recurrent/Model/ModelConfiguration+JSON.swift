import JSON
import Kernels

extension ModelConfiguration {
    /// Sizes above this are refused: they are typing errors, and products of a few of them still fit an Int.
    static let sizeLimit = 1 << 24

    /// What configuration files call the cells.
    static let cells: [(String, Cell)] = [
        ("minGRU", .minGRU), ("minLSTM", .minLSTM), ("minLSTM-unnormalised", .minLSTMUnnormalised),
    ]
    static let candidates: [(String, Candidate)] = [("log-space", .logSpace), ("vanilla", .vanilla)]
    static let norms: [(String, Norm.Kind)] = [("rms", .rms), ("layer", .layer)]
    private static let orders: [(String, BlockOrder)] = [
        BlockOrder.paper, .minGRUPyTorch, .highway, .stacked,
    ].map { ($0.rawValue, $0) }

    /// What configuration files and replies call the cell.
    public var cellName: String { Self.cells.first { $0.1 == cell }!.0 }

    /// Reads `config.json`. Every field is checked, unknown ones are refused: a misspelt option must not be ignored.
    init(json root: JSONValue, file: String) throws(CheckpointError) {
        func refuse(_ reason: String) -> CheckpointError { .configuration(file: file, reason: reason) }
        func known(_ value: JSONValue, _ fields: Set<String>, _ place: String) throws(CheckpointError) {
            guard value.kind == .object else { throw refuse("\(place) must be an object") }
            for (name, _) in value.members where !fields.contains(name) {
                throw refuse("\(place) has an unknown field \"\(name)\"")
            }
        }
        func size(_ value: JSONValue?, _ name: String) throws(CheckpointError) -> Int {
            guard let number = value?.int, number >= 1, number <= Self.sizeLimit else {
                throw refuse("\(name) must be a whole number from 1 to \(Self.sizeLimit)")
            }
            return number
        }
        func choice<T>(_ value: JSONValue?, _ name: String, _ choices: [(String, T)]) throws(CheckpointError) -> T {
            guard let text = value?.string, let found = choices.first(where: { $0.0 == text }) else {
                throw refuse("\(name) must be one of \(choices.map(\.0).joined(separator: ", "))")
            }
            return found.1
        }
        func flag(_ value: JSONValue?, _ name: String, otherwise: Bool) throws(CheckpointError) -> Bool {
            guard let value else { return otherwise }
            guard let flag = value.bool else { throw refuse("\(name) must be true or false") }
            return flag
        }

        let fields: Set<String> = [
            "cell", "candidate", "order", "layers", "width", "inner_width", "norm", "final_norm", "convolution", "mlp",
            "input", "output", "layer_widths",
        ]
        try known(root, fields, "the configuration")
        cell = try choice(root["cell"], "cell", Self.cells)
        candidate = try choice(root["candidate"], "candidate", Self.candidates)
        order = try choice(root["order"], "order", Self.orders)
        layers = try size(root["layers"], "layers")
        guard layers <= 1024 else { throw refuse("layers must be at most 1024") }
        width = try size(root["width"], "width")
        innerWidth = root["inner_width"] == nil ? width : try size(root["inner_width"], "inner_width")

        norm = nil
        if let shape = root["norm"], !shape.isNull {
            try known(shape, ["kind", "epsilon"], "norm")
            let kind = try choice(shape["kind"], "norm.kind", Self.norms)
            guard let epsilon = shape["epsilon"]?.float, epsilon.isFinite, epsilon > 0 else {
                throw refuse("norm.epsilon must be a positive number")
            }
            norm = NormShape(kind: kind, epsilon: epsilon)
        }
        finalNorm = try flag(root["final_norm"], "final_norm", otherwise: norm != nil)
        if finalNorm && norm == nil { throw refuse("final_norm needs a norm") }
        convolution = nil
        if let shape = root["convolution"], !shape.isNull {
            try known(shape, ["kernel", "pointwise"], "convolution")
            let pointwise = try flag(shape["pointwise"], "convolution.pointwise", otherwise: false)
            convolution = ConvolutionShape(
                kernel: try size(shape["kernel"], "convolution.kernel"), pointwise: pointwise)
            guard convolution!.kernel <= 1024 else { throw refuse("convolution.kernel must be at most 1024") }
        }
        mlp = nil
        if let shape = root["mlp"], !shape.isNull {
            try known(shape, ["width", "activation"], "mlp")
            mlp = MLPShape(width: try size(shape["width"], "mlp.width"))
            if let activation = shape["activation"] {
                mlp!.activation = try choice(
                    activation, "mlp.activation", [("gelu", .gelu), ("geglu", .geglu)])
            }
        }
        layerWidths = nil
        if let widths = root["layer_widths"], !widths.isNull {
            guard widths.kind == .array, widths.count == layers else {
                throw refuse("layer_widths must be an array of \(layers) numbers, one for each layer")
            }
            var all: [Int] = []
            for width in widths.elements { all.append(try size(width, "layer_widths")) }
            layerWidths = all
        }

        guard let inputShape = root["input"] else { throw refuse("input is missing") }
        switch inputShape["kind"]?.string {
        case "tokens":
            try known(inputShape, ["kind", "vocabulary_size"], "input")
            input = .tokens(vocabularySize: try size(inputShape["vocabulary_size"], "input.vocabulary_size"))
        case "vectors":
            try known(inputShape, ["kind", "size", "map"], "input")
            let size = try size(inputShape["size"], "input.size")
            input = .vectors(size: size)
            mapsInput = try flag(inputShape["map"], "input.map", otherwise: true)
            if !mapsInput && size != width {
                throw refuse("input.size must be width, \(width), where the input has no map")
            }
        default: throw refuse("input.kind must be one of tokens, vectors")
        }
        guard let outputShape = root["output"] else { throw refuse("output is missing") }
        switch outputShape["kind"]?.string {
        case "logits":
            try known(outputShape, ["kind"], "output")
            guard case .tokens = input else { throw refuse("output logits need an input of tokens") }
            output = .logits
        case "vectors":
            try known(outputShape, ["kind", "size", "map"], "output")
            let size = try size(outputShape["size"], "output.size")
            output = .vectors(size: size)
            mapsOutput = try flag(outputShape["map"], "output.map", otherwise: true)
            guard mapsOutput || size == streamWidths.last! else {
                throw refuse("output.size must be \(streamWidths.last!), the last width, where the output has no map")
            }
        case "probabilities":
            try known(outputShape, ["kind", "size"], "output")
            output = .probabilities(size: try size(outputShape["size"], "output.size"))
        default: throw refuse("output.kind must be one of logits, vectors, probabilities")
        }
        if let reason = contradiction { throw refuse(reason) }
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
