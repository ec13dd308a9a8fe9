import Foundation
import Kernels
import TestSupport
import Testing

@testable import Recurrent

@Suite("A folder that is not exactly right is refused with the tensor's name")
struct ModelFolderTests {
    /// A model that has every kind of tensor.
    private var full: RandomModel {
        var model = RandomModel()
        (model.width, model.innerWidth, model.mlpWidth, model.vocabularySize) = (4, 5, 3, 7)
        (model.norm, model.kernel, model.pointwise) = ("layer", 3, true)
        (model.hasBiases, model.hasInitialState) = (true, true)
        return model
    }

    @Test("each tensor but the optional ones is needed") func missing() {
        for index in full.tensors.indices {
            var tensors = full.tensors
            let name = tensors.remove(at: index).name
            let isOptional = name.hasSuffix(".bias") || name.hasSuffix("initial_state")
            #expect(failure { _ = try load(full.configuration, tensors) } == (isOptional ? nil : .missingTensor(name)))
        }
    }

    @Test("each tensor must have exactly its shape") func shapes() {
        for index in full.tensors.indices {
            let (name, shape, values) = full.tensors[index]
            let wrong = [shape + [1], [1] + shape, [values.count], shape.reversed()].filter { $0 != shape }
            for found in wrong {
                var tensors = full.tensors
                tensors[index].shape = found
                let error = failure { _ = try load(full.configuration, tensors) }
                #expect(error == .wrongShape(tensor: name, expected: shape, found: found))
            }
        }
    }

    @Test("NaN or infinity in any tensor is refused") func nonFinite() {
        for index in full.tensors.indices {
            for (place, bad) in [(0, Float.nan), (-1, .infinity), (-1, -.infinity)] {
                var tensors = full.tensors
                let count = tensors[index].values.count
                tensors[index].values[(place + count) % count] = bad
                let error = failure { _ = try load(full.configuration, tensors) }
                #expect(error == .nonFinite(tensor: tensors[index].name))
            }
        }
    }

    @Test("a weight that float16 cannot hold is refused where weights are kept so, and only there") func tooLarge() {
        let matrices = full.tensors.indices.filter { full.tensors[$0].name.contains("rnn.gate.weight") }
        #expect(!matrices.isEmpty)
        for index in matrices {
            for (weight, isHeld) in [(65_504, true), (65_519, true), (65_520, false), (-70_000, false)] {
                var tensors = full.tensors
                tensors[index].values[1] = Float(weight)
                let name = tensors[index].name
                for type in WeightType.allCases {
                    let error = failure { _ = try load(full.configuration, tensors, weights: type) }
                    let expected = CheckpointError.tooLarge(tensor: name, weight: Float(weight))
                    #expect(error == (isHeld || type != .f16 ? nil : expected))
                }
            }
        }
    }

    @Test("a tensor without a place is refused, whatever its type") func leftover() {
        for name in ["extra", "layers.2.rnn.gate.weight", "layers.0.mlp.up.bias2", "Output.weight"] {
            let error = failure { _ = try load(full.configuration, full.tensors + [(name, [1], [0])]) }
            #expect(error?.description.contains("tensor \(name) has no place") == true)
        }
        let text = "{\"step\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}"
        #expect(
            failure { _ = try load(full.configuration, Safetensors.data(header: text, body: Data(count: 8))) } != nil)
    }

    @Test("five thousand damaged files are refused or served, and never end the process", arguments: 0..<50)
    func damage(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let usesConfiguration = seed % 2 == 0
        var checkpoint = PyTorchCheckpoint()
        (checkpoint.width, checkpoint.inner, checkpoint.layers, checkpoint.mlpWidth) = (2, 3, 1, 2)
        var small = full
        (small.layers, small.width, small.innerWidth) = (1, 2, 3)
        let original = Safetensors.data(usesConfiguration ? small.tensors : checkpoint.tensors)
        let headerCount = 8 + Int(original[0]) + 256 * Int(original[1])
        for _ in 0..<100 {
            var data = [UInt8](original)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let inHeader = Int.random(in: 0..<5, using: &random) > 0
                let at = Int.random(in: 0..<min(inHeader ? headerCount : data.count, data.count), using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: data[at] = UInt8.random(in: 0...255, using: &random)
                case 1: data[at] ^= 1 << UInt8.random(in: 0...7, using: &random)
                case 2: data.remove(at: at)
                case 3: data.insert(Array("0123456789-,[]{}\"e.".utf8).randomElement(using: &random)!, at: at)
                default:
                    // Digits for digits keeps the header a header.
                    guard let digit = data[at...].firstIndex(where: { (48...57).contains($0) }) else { continue }
                    data[digit] = UInt8.random(in: 48...57, using: &random)
                }
            }
            var error: (any Error)?
            do {
                _ = try load(usesConfiguration ? small.configuration : nil, Data(data))
            } catch let caught {
                error = caught
            }
            #expect(error == nil || error is CheckpointError)
        }
    }

    @Test("tokenizers must fit the model and their own form") func tokenizers() throws {
        let data = Safetensors.data(full.tensors)
        func refusal(_ tokenizer: String) -> String? {
            failure { _ = try load(full.configuration, data, tokenizer: tokenizer) }?.description
        }
        #expect(refusal("{\"kind\":\"characters\",\"characters\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"]}") == nil)
        #expect(refusal("{\"kind\":\"characters\",\"characters\":[\"a\"]}")?.contains("1 tokens") == true)
        #expect(refusal("{\"kind\":\"characters\",\"characters\":[]}")?.contains("not empty") == true)
        #expect(refusal("{\"kind\":\"characters\",\"characters\":[\"a\",\"a\"]}")?.contains("repetitions") == true)
        #expect(refusal("{\"kind\":\"characters\",\"characters\":[\"ab\"]}")?.contains("one character") == true)
        #expect(refusal("{\"kind\":\"characters\",\"characters\":[\"\"]}")?.contains("one character") == true)
        #expect(refusal("{\"kind\":\"characters\",\"characters\":[1]}")?.contains("one character") == true)
        for text in ["{\"kind\":\"bpe\",\"characters\":[]}", "{}", "[]", "{\"kind\":\"characters\"}"] {
            #expect(refusal(text)?.contains("expected") == true)
        }
        #expect(refusal("nonsense")?.contains("not JSON") == true)
    }
}
