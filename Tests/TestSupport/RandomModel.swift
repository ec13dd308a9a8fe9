import Foundation
import Kernels
import Recurrent

/// A model folder with random weights, in the layout that has a `config.json`.
public struct RandomModel {
    public var cell = "minGRU"
    /// Of a minimal cell.
    public var candidate = "log-space"
    /// Of the cell RNN.
    public var cellActivation = "tanh"
    /// What ParaGRU and ParaLSTM cut their recurrent weights to.
    public var recurrentLimit: Float?
    /// Of an LSTM with a projection.
    public var cellWidth: Int?
    public var order = "paper"
    public var layers = 2
    public var width = 24
    public var innerWidth = 24
    public var norm: String? = "rms"
    public var kernel: Int?
    public var pointwise = false
    public var mlpWidth: Int? = 40
    public var activation = "gelu"
    /// Of the stream behind each layer; nil where all are `width`.
    public var layerWidths: [Int]?
    /// Whether vectors go in and out through maps.
    public var mapsInput = true
    public var mapsOutput = true
    /// nil for a token model, else the vector's size.
    public var inputSize: Int?
    public var vocabularySize = 19
    /// nil for logits.
    public var outputSize: Int?
    /// Whether the outputs go through σ.
    public var givesProbabilities = false
    public var hasInitialState = false
    public var hasBiases = false
    public var seed: UInt64 = 1

    public init() {}

    /// Every choice drawn at random.
    public init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        self.seed = seed
        cell = Bool.random(using: &random) ? "minGRU" : "minLSTM"
        candidate = Bool.random(using: &random) ? "log-space" : "vanilla"
        order = Bool.random(using: &random) ? "paper" : "minGRU-pytorch"
        layers = Int.random(in: 1...3, using: &random)
        width = Int.random(in: 1...40, using: &random)
        innerWidth = Bool.random(using: &random) ? width : Int.random(in: 1...50, using: &random)
        norm = [nil, "rms", "layer"].randomElement(using: &random)!
        kernel = Bool.random(using: &random) ? Int.random(in: 1...5, using: &random) : nil
        pointwise = Bool.random(using: &random)
        mlpWidth = Bool.random(using: &random) ? Int.random(in: 1...70, using: &random) : nil
        inputSize = Bool.random(using: &random) ? Int.random(in: 1...9, using: &random) : nil
        vocabularySize = Int.random(in: 2...70, using: &random)
        outputSize = inputSize != nil || Bool.random(using: &random) ? Int.random(in: 1...20, using: &random) : nil
        hasInitialState = Bool.random(using: &random)
        hasBiases = Bool.random(using: &random)
        if cell == "minLSTM", Bool.random(using: &random) { cell = "minLSTM-unnormalised" }
        activation = Bool.random(using: &random) ? "gelu" : "geglu"
        givesProbabilities = outputSize != nil && Bool.random(using: &random)
        guard Int.random(in: 0..<3, using: &random) == 0 else { return }
        order = ["paper", "highway", "stacked"].randomElement(using: &random)!
        (kernel, mlpWidth, innerWidth) = (nil, nil, width)
        if order == "highway" {
            norm = nil
        } else if Bool.random(using: &random) {
            layerWidths = (0..<layers).map { _ in Int.random(in: 3...40, using: &random) }
        }
        if inputSize != nil, Bool.random(using: &random) { (inputSize, mapsInput) = (width, false) }
        if outputSize != nil, Bool.random(using: &random) {
            (outputSize, mapsOutput, givesProbabilities) = (lastWidth, false, false)
        }
    }

    /// Every cell that `config.json` can name.
    public static let cells = [
        "minGRU", "minLSTM", "minLSTM-unnormalised", "GRU", "LSTM", "RNN", "ParaGRU", "ParaLSTM",
    ]

    /// Every choice but the cell drawn at random.
    public init(_ cell: String, seed: UInt64) {
        self.init(seed: seed)
        self.cell = cell
        var random = SeededGenerator(seed: seed &+ 5)
        cellActivation = Bool.random(using: &random) ? "tanh" : "relu"
        if cell == "LSTM", Bool.random(using: &random) { cellWidth = Int.random(in: 1...40, using: &random) }
        if Bool.random(using: &random) { recurrentLimit = 0.5 }
        if !isMinimal { hasInitialState = false }
    }

    private var isMinimal: Bool { cell.hasPrefix("min") }

    /// What `config.json` says of the cell.
    private var cellFields: String {
        switch cell {
        case "LSTM": cellWidth.map { "\"cell_width\": \($0)," } ?? ""
        case "RNN": "\"activation\": \"\(cellActivation)\","
        case _ where isMinimal: "\"candidate\": \"\(candidate)\","
        case "ParaGRU", "ParaLSTM": recurrentLimit.map { "\"max_recurrent_norm\": \($0)," } ?? ""
        default: ""
        }
    }

    /// Of the stream before the first layer and behind each.
    public var widths: [Int] { [width] + (layerWidths ?? Array(repeating: width, count: layers)) }
    private var lastWidth: Int { widths.last! }
    /// Hidden values of a layer.
    public func hiddenWidth(_ layer: Int) -> Int { layerWidths?[layer] ?? innerWidth }

    public var configuration: String {
        let input =
            inputSize.map { "\"vectors\", \"size\": \($0), \"map\": \(mapsInput)" }
            ?? "\"tokens\", \"vocabulary_size\": \(vocabularySize)"
        let output =
            outputSize.map {
                givesProbabilities
                    ? "\"probabilities\", \"size\": \($0)" : "\"vectors\", \"size\": \($0), \"map\": \(mapsOutput)"
            } ?? "\"logits\""
        return """
            {
              "cell": "\(cell)", \(cellFields) "order": "\(order)", "layers": \(layers),
              "width": \(width), "inner_width": \(innerWidth),
              "layer_widths": \(layerWidths.map { "\($0)" } ?? "null"),
              "norm": \(norm.map { "{\"kind\": \"\($0)\", \"epsilon\": 1e-6}" } ?? "null"),
              "convolution": \(kernel.map { "{\"kernel\": \($0), \"pointwise\": \(pointwise)}" } ?? "null"),
              "mlp": \(mlpWidth.map { "{\"width\": \($0), \"activation\": \"\(activation)\"}" } ?? "null"),
              "input": {"kind": \(input)}, "output": {"kind": \(output)}
            }
            """
    }

    public var tensors: [(name: String, shape: [Int], values: [Float])] {
        var random = SeededGenerator(seed: seed &+ 77)
        var tensors: [(name: String, shape: [Int], values: [Float])] = []
        func add(_ name: String, _ shape: [Int], around centre: Float = 0, scale: Float) {
            let values = (0..<shape.reduce(1, *)).map { _ in centre + scale * random.float() }
            tensors.append((name, shape, values))
        }
        func linear(_ name: String, _ outputs: Int, _ inputs: Int) {
            add(name + ".weight", [outputs, inputs], scale: 1.7 / Float(inputs).squareRoot())
            if hasBiases { add(name + ".bias", [outputs], scale: 0.5) }
        }
        func torch(_ prefix: String, inputs: Int, outputs: Int) {
            let (units, gates) = (cellWidth ?? outputs, ["GRU": 3, "LSTM": 4][cell] ?? 1)
            // A ReLU must not let the state grow without bound.
            let scale: Float = cell == "RNN" ? 0.8 : 1.7
            add(prefix + "weight_ih", [gates * units, inputs], scale: 1.7 / Float(inputs).squareRoot())
            add(prefix + "weight_hh", [gates * units, outputs], scale: scale / Float(outputs).squareRoot())
            if cellWidth != nil { add(prefix + "weight_hr", [outputs, units], scale: 1.7 / Float(units).squareRoot()) }
            guard hasBiases else { return }
            add(prefix + "bias_ih", [gates * units], scale: 0.5)
            add(prefix + "bias_hh", [gates * units], scale: 0.5)
        }
        func para(_ prefix: String, inputs: Int, outputs: Int) {
            for name in cell == "ParaGRU" ? ["a_z", "a_r", "a_n"] : ["a_f", "a_z", "a_o", "c_f", "c_o"] {
                add(prefix + name, [outputs], scale: 0.8)
            }
            linear(prefix + "W_x", 3 * outputs, inputs)
        }
        func normTensors(_ name: String, _ width: Int) {
            add(name + ".weight", [width], around: 1, scale: 0.3)
            if norm == "layer" { add(name + ".bias", [width], scale: 0.3) }
        }
        if let inputSize {
            if mapsInput { linear("input", width, inputSize) }
        } else {
            add("embedding.weight", [vocabularySize, width], scale: 1)
        }
        for layer in 0..<layers {
            let prefix = "layers.\(layer)."
            let (width, innerWidth, behind) = (widths[layer], hiddenWidth(layer), widths[layer + 1])
            if norm != nil { normTensors(prefix + "rnn_norm", width) }
            if let kernel {
                add(prefix + "conv.weight", [width, kernel], scale: 0.6)
                if hasBiases { add(prefix + "conv.bias", [width], scale: 0.3) }
                if pointwise { linear(prefix + "conv_pointwise", width, width) }
            }
            if isMinimal {
                for part in cell == "minGRU" ? ["gate", "candidate"] : ["forget", "input", "candidate"] {
                    linear(prefix + "rnn." + part, innerWidth, width)
                }
            } else if cell.hasPrefix("Para") {
                para(prefix + "rnn.", inputs: width, outputs: innerWidth)
            } else {
                torch(prefix + "rnn.", inputs: width, outputs: innerWidth)
            }
            if innerWidth != behind { linear(prefix + "rnn.out", behind, innerWidth) }
            if order == "highway" { linear(prefix + "highway", width, width) }
            if order == "paper" && width != behind { linear(prefix + "align", behind, width) }
            if hasInitialState { add(prefix + "rnn.initial_state", [innerWidth], scale: 1) }
            if let mlpWidth {
                if norm != nil { normTensors(prefix + "mlp_norm", width) }
                linear(prefix + "mlp.up", mlpWidth, width)
                if activation == "geglu" { linear(prefix + "mlp.gate", mlpWidth, width) }
                linear(prefix + "mlp.down", width, mlpWidth)
            }
        }
        if norm != nil { normTensors("norm", lastWidth) }
        if mapsOutput { linear("output", outputSize ?? vocabularySize, lastWidth) }
        return tensors
    }

    /// Writes the folder `name` into `folder`, with a tokenizer of `characters` if any, and gives its path.
    @discardableResult
    public func write(to folder: TemporaryFolder, name: String = "random", characters: String? = nil) -> String {
        folder.write(name + "/config.json", configuration)
        folder.write(name + "/model.safetensors", Safetensors.data(tensors))
        if let characters {
            let list = characters.map { "\"\($0)\"" }.joined(separator: ",")
            folder.write(name + "/tokenizer.json", "{\"kind\": \"characters\", \"characters\": [\(list)]}")
        }
        return folder.path + "/" + name
    }

    /// The loaded model.
    public func load(weights: WeightType? = nil, scan: ScanMode = .exact) throws -> ModelFolder {
        let folder = TemporaryFolder()
        return try ModelFolder(path: write(to: folder), weights: weights, scan: scan)
    }
}
