import ArgumentParser
import FoundationEssentials
import JSON
import Kernels
import Recurrent

/// A made-up recurrent network with random weights.
struct BenchShape {
    /// What the argument may say.
    static let fields = "cell (\(cells)), layers, width, inner, mlp, vocabulary, kernel"
    private static let cells = ModelConfiguration.cellNames.joined(separator: ", ")

    private var cell = "minGRU"
    private var numbers: [String: Int] = [:]

    /// - Throws: a `ValidationError` that names the part of `argument` that is wrong, and what it may be.
    @Sendable init(argument: String) throws {
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            guard pair.count == 2 else { throw ValidationError("\"\(part)\" is not FIELD=VALUE") }
            if pair[0] == "cell" {
                guard ModelConfiguration.cellNames.contains(pair[1]) else {
                    throw ValidationError("cell must be one of \(Self.cells), not \"\(pair[1])\"")
                }
                cell = pair[1]
                continue
            }
            let isKnown = ["layers", "width", "inner", "vocabulary", "mlp", "kernel"].contains(pair[0])
            guard isKnown else { throw ValidationError("there is no field \"\(pair[0])\"; fields are \(Self.fields)") }
            let least = ["mlp", "kernel"].contains(pair[0]) ? 0 : 1
            guard let number = Int(pair[1]), (least...1 << 20).contains(number) else {
                throw ValidationError("\(pair[0]) must be a whole number from \(least) to \(1 << 20)")
            }
            numbers[pair[0]] = number
        }
    }

    /// Whether the cell is one of arXiv 2410.01201, whose language models are the default shape. Others are by default
    /// layers of the cell alone, as `nn.GRU` is, vectors in and hidden states out.
    private var isMinimal: Bool { cell.hasPrefix("min") }

    /// A model of this shape, by way of a temporary folder.
    func load(weights: WeightType?, scan: ScanMode) throws -> RecurrentModel {
        let folder = FileManager.default.temporaryDirectory.appending(path: "scanstep-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(configuration.utf8).write(to: folder.appending(path: "config.json"))
        try checkpoint().write(to: folder.appending(path: "model.safetensors"))
        return try ModelFolder(path: folder.path, weights: weights, scan: scan).model
    }

    private var configuration: String {
        func number(_ name: String, _ minimal: Int, _ other: Int) -> Int {
            numbers[name] ?? (isMinimal ? minimal : other)
        }
        let (layers, width) = (number("layers", 6, 3), number("width", 384, 384))
        let (inner, mlp) = (number("inner", 576, width), number("mlp", 1536, 0))
        let (vocabulary, kernel) = (number("vocabulary", 256, 0), number("kernel", 0, 0))
        let isStack = !isMinimal && inner == width && mlp == 0 && kernel == 0
        return """
            {"cell": "\(cell)"\(isMinimal ? ", \"candidate\": \"log-space\"" : ""),
             "order": "\(isStack ? "stacked" : "paper")", "layers": \(layers), "width": \(width), "inner_width": \(inner),
             "norm": \(isStack ? "null" : "{\"kind\": \"rms\", \"epsilon\": 1e-6}"),
             "convolution": \(kernel > 0 ? "{\"kernel\": \(kernel)}" : "null"),
             "mlp": \(mlp > 0 ? "{\"width\": \(mlp)}" : "null"),
             "input": \(vocabulary > 0
                ? "{\"kind\": \"tokens\", \"vocabulary_size\": \(vocabulary)}"
                : "{\"kind\": \"vectors\", \"size\": \(width), \"map\": false}"),
             "output": \(vocabulary > 0
                ? "{\"kind\": \"logits\"}" : "{\"kind\": \"vectors\", \"size\": \(width), \"map\": false}")}
            """
    }

    /// The largest magnitude of the values of a tensor, uniform with a variance of 1 ∕ inputs: a map that keeps the size
    /// of what goes through it. Nil for the weight of a norm, which is 1.
    private static func scale(_ name: String, _ shape: [Int]) -> Float? {
        if shape.count == 1, name.hasSuffix("norm.weight") { return nil }
        return name == "embedding.weight" ? 1 : (3 / Float(shape.last!)).squareRoot()
    }

    /// A safetensors file: the length of a JSON header, the header, the values.
    private func checkpoint() throws(CheckpointError) -> Data {
        var header = JSONWriter()
        var values = Data()
        var random = BenchRandom(seed: 1)
        header.beginObject()
        for (name, shape) in try ModelConfiguration.tensorShapes(forConfiguration: configuration) {
            let scale = Self.scale(name, shape)
            let start = values.count
            for _ in 0..<shape.reduce(1, *) {
                let value = scale.map { Float.random(in: -$0...$0, using: &random) } ?? 1
                append(value.bitPattern, to: &values)
            }
            header.key(name)
            header.beginObject()
            header.field("dtype", "F32")
            header.key("shape")
            header.ints(shape)
            header.key("data_offsets")
            header.ints([start, values.count])
            header.endObject()
        }
        header.endObject()
        var file = Data()
        append(UInt64(header.bytes.count), to: &file)
        file.append(contentsOf: header.bytes)
        file.append(values)
        return file
    }

    private func append(_ number: some FixedWidthInteger, to data: inout Data) {
        for shift in stride(from: 0, to: number.bitWidth, by: 8) {
            data.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }
}

/// Numbers that look random and are the same in every run: a 64-bit linear congruential generator's upper halves,
/// two for each number.
struct BenchRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 { upperHalf() << 32 | upperHalf() }

    private mutating func upperHalf() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 32
    }
}
