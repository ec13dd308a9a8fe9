import Foundation
import JSON
import Recurrent
import TestSupport
import Testing

/// The models that the live tests serve.
enum LiveModels {
    /// Characters of the model `letters`, token by token; one of them takes two bytes.
    static let characters = "abcdefghijklmnopqé "

    /// Every committed model, each folder with its `model.safetensors`, and a `config.json` where that leaves something
    /// open.
    @Sendable static func golden(_ folder: TemporaryFolder) throws {
        for name in Golden.models { try golden(name, folder) }
    }

    /// Torch's and ParaRNN's cells, alone and in modules.
    @Sendable static func cells(_ folder: TemporaryFolder) throws {
        for name in Golden.cells + Golden.started { try golden(name, folder) }
    }

    static func golden(_ name: String, _ folder: TemporaryFolder) throws {
        let path = Golden.path(of: name)
        for file in try FileManager.default.contentsOfDirectory(atPath: path) {
            folder.write("\(name)/\(file)", try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)")))
        }
    }

    /// `letters`: tokens with a text, a convolution and logits.
    @Sendable static func letters(_ folder: TemporaryFolder) {
        var model = RandomModel()
        model.kernel = 3
        model.vocabularySize = characters.count
        model.write(to: folder, name: "letters", characters: characters)
    }

    /// `vectors`: 3 values in, 2 out, minLSTM with learned initial state.
    @Sendable static func vectors(_ folder: TemporaryFolder) {
        var model = RandomModel()
        model.cell = "minLSTM"
        (model.inputSize, model.outputSize) = (3, 2)
        (model.kernel, model.hasInitialState, model.hasBiases) = (4, true, true)
        model.write(to: folder, name: "vectors")
    }

    /// `letters` and `vectors`.
    @Sendable static func both(_ folder: TemporaryFolder) {
        letters(folder)
        vectors(folder)
    }
}

/// Inputs of one sequence in the JSON of requests.
struct LiveInputs {
    /// Each step as a JSON value: a token or a vector.
    let steps: [String]
    private let isVectors: Bool

    /// `count` tokens below `vocabulary`.
    init(tokens count: Int, below vocabulary: Int, seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        steps = (0..<count).map { _ in String(Int.random(in: 0..<vocabulary, using: &random)) }
        isVectors = false
    }

    /// `count` vectors of `size` values.
    init(vectors count: Int, of size: Int, seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        steps = (0..<count).map { _ in "\((0..<size).map { _ in 2 * random.float() })" }
        isVectors = true
    }

    /// What was sent through a committed model.
    init(golden model: String) throws {
        let inputs = try Golden.expectation(of: model).inputs
        switch inputs {
        case .tokens(let tokens):
            steps = tokens.map(String.init)
            isVectors = false
        case .vectors(let values, let count):
            let size = values.count / count
            steps = (0..<count).map { "\(Array(values[$0 * size..<($0 + 1) * size]))" }
            isVectors = true
        }
    }

    /// What the model of that name takes.
    init(for model: String, _ count: Int, seed: UInt64) {
        if model == "vectors" {
            self.init(vectors: count, of: 3, seed: seed)
        } else {
            self.init(tokens: count, below: model == "letters" ? LiveModels.characters.count : 29, seed: seed)
        }
    }

    /// The members of a request that absorbs the steps in `range` and shows whole outputs.
    func sequence(_ range: Range<Int>) -> String {
        "\"\(isVectors ? "vectors" : "tokens")\":[\(steps[range].joined(separator: ","))]"
    }

    /// The members of a request that absorbs one step.
    func step(_ index: Int) -> String { "\"\(isVectors ? "vector" : "token")\":\(steps[index])" }

    /// Asks for all values of an output: logits must be asked for, vectors come by themselves.
    var wholeOutput: String { isVectors ? "" : ",\"logits\":true" }
}

/// Outputs of one sequence in the JSON of replies.
enum LiveOutputs {
    /// The largest absolute difference of any value of `outputs`, one whole output a step, from what PyTorch gave for
    /// the inputs of a committed model.
    static func largestDifference(of outputs: JSONValue?, fromGolden model: String) throws -> Float {
        let outputs = Array(try #require(outputs).elements)
        let expected = try Golden.expectation(of: model).outputs
        try #require(outputs.count == expected.count)
        var largest: Float = 0
        for (output, values) in zip(outputs, expected) {
            let served = try #require(output["logits"]?.floats() ?? output["vector"]?.floats())
            try #require(served.count == values.count)
            for (one, other) in zip(served, values) { largest = max(largest, abs(one - other)) }
        }
        return largest
    }
}
