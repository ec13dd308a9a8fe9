import ArgumentParser
import FoundationEssentials
import JSON
import Kernels
import Recurrent

/// A made-up minimal recurrent network with random weights.
struct BenchShape: ExpressibleByArgument {
    static let names = "cell, layers, width, inner, mlp, vocabulary, kernel"

    private var cell = "minGRU"
    private var layers = 6
    private var width = 384
    private var inner = 576
    /// Width of the MLP's hidden layer; 0 for none.
    private var mlp = 1536
    private var vocabulary = 256
    /// Time steps that the convolution sees; 0 for none.
    private var kernel = 0

    init?(argument: String) {
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            guard pair.count == 2 else { return nil }
            if pair[0] == "cell" {
                guard pair[1] == "minGRU" || pair[1] == "minLSTM" else { return nil }
                cell = pair[1]
                continue
            }
            guard let number = Int(pair[1]), (0...1 << 20).contains(number) else { return nil }
            switch pair[0] {
            case "layers" where number > 0: layers = number
            case "width" where number > 0: width = number
            case "inner" where number > 0: inner = number
            case "mlp": mlp = number
            case "vocabulary" where number > 0: vocabulary = number
            case "kernel": kernel = number
            default: return nil
            }
        }
    }

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
        """
        {"cell": "\(cell)", "candidate": "log-space", "order": "paper", "layers": \(layers), "width": \(width),
         "inner_width": \(inner), "norm": {"kind": "rms", "epsilon": 1e-6},
         "convolution": \(kernel > 0 ? "{\"kernel\": \(kernel)}" : "null"),
         "mlp": \(mlp > 0 ? "{\"width\": \(mlp)}" : "null"),
         "input": {"kind": "tokens", "vocabulary_size": \(vocabulary)}, "output": {"kind": "logits"}}
        """
    }

    /// Name, shape and largest magnitude of every tensor; nil for a norm's weight, which is 1.
    private var tensors: [(name: String, shape: [Int], scale: Float?)] {
        var tensors: [(name: String, shape: [Int], scale: Float?)] = [("embedding.weight", [vocabulary, width], 1)]
        func linear(_ name: String, _ outputs: Int, _ inputs: Int) {
            // Uniform with a variance of 1 ∕ inputs: a map that keeps the size of what goes through it.
            tensors.append((name + ".weight", [outputs, inputs], (3 / Float(inputs)).squareRoot()))
        }
        for layer in 0..<layers {
            let prefix = "layers.\(layer)."
            tensors.append((prefix + "rnn_norm.weight", [width], nil))
            if kernel > 0 { linear(prefix + "conv", width, kernel) }
            for part in cell == "minGRU" ? ["candidate", "gate"] : ["candidate", "forget", "input"] {
                linear(prefix + "rnn." + part, inner, width)
            }
            if inner != width { linear(prefix + "rnn.out", width, inner) }
            if mlp > 0 {
                tensors.append((prefix + "mlp_norm.weight", [width], nil))
                linear(prefix + "mlp.up", mlp, width)
                linear(prefix + "mlp.down", width, mlp)
            }
        }
        tensors.append(("norm.weight", [width], nil))
        linear("output", vocabulary, width)
        return tensors
    }

    /// A safetensors file: the length of a JSON header, the header, the values.
    private func checkpoint() -> Data {
        var header = JSONWriter()
        var values = Data()
        var random = BenchRandom(seed: 1)
        header.beginObject()
        for (name, shape, scale) in tensors {
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
