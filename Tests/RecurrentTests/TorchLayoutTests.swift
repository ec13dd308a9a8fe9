import Foundation
import Kernels
import TestSupport
import Testing

@testable import Recurrent

/// Names and shapes of tensors.
typealias Shapes = [(name: String, shape: [Int])]

/// Layers of `torch.nn`, with four rows of weights for each hidden value unless said otherwise.
func stack(
    _ prefix: String = "rnn.", gates: Int = 4, inputs: Int = 4, hidden: Int = 6, layers: Int = 2, units: Int? = nil,
    bias: Bool = true, single: Bool = false
) -> Shapes {
    (0..<layers).flatMap { layer -> Shapes in
        let (suffix, rows) = (single ? "" : "_l\(layer)", gates * (units ?? hidden))
        var list: Shapes = [
            (prefix + "weight_ih" + suffix, [rows, layer == 0 ? inputs : hidden]),
            (prefix + "weight_hh" + suffix, [rows, hidden]),
        ]
        if bias { list += [(prefix + "bias_ih" + suffix, [rows]), (prefix + "bias_hh" + suffix, [rows])] }
        if let units { list.append((prefix + "weight_hr" + suffix, [hidden, units])) }
        return list
    }
}

func linear(_ name: String, _ outputs: Int, _ inputs: Int, bias: Bool = true) -> Shapes {
    [(name + ".weight", [outputs, inputs])] + (bias ? [(name + ".bias", [outputs])] : [])
}

func load(_ configuration: String? = nil, _ shapes: Shapes) throws -> RecurrentModel {
    var random = SeededGenerator(seed: 4)
    let tensors = shapes.map { name, shape in (name, shape, (0..<shape.reduce(1, *)).map { _ in random.float() }) }
    return try load(configuration.map { "{\"layout\": \"torch\"\($0)}" }, tensors).model
}

@Suite("Torch's recurrent modules are recognised from their tensors")
struct TorchLayoutTests {
    @Test("cell, layers, widths and projection follow from the shapes, with and without biases")
    func stacks() throws {
        for (gates, name) in [(3, "GRU"), (4, "LSTM"), (1, "RNN")] {
            for (prefix, bias) in [("", true), ("rnn.", false), ("model.encoder.", true)] {
                let model = try load(nil, stack(prefix, gates: gates, layers: 3, bias: bias))
                let configuration = model.configuration
                #expect(configuration.cellName == name && configuration.layers == 3)
                #expect(configuration.input == .vectors(size: 4) && configuration.output == .vectors(size: 6))
                #expect(model.state.count == (gates == 4 ? 2 : 1) * 3 * 6 + 6)
                #expect(model.scan == .sequential && model.scans == [.sequential])
            }
        }
        let projected = try load(nil, stack(hidden: 5, units: 9))
        #expect(projected.state.count == 2 * (5 + 9) + 5 && projected.configuration.output == .vectors(size: 5))
        #expect(projected.state.tensors.map(\.name).prefix(2) == ["layers.0.hidden", "layers.0.cell"])
        #expect(try load(nil, stack("", gates: 3, layers: 1, single: true)).configuration.cellName == "GRU")
    }

    @Test("an embedding, a linear map behind, and what both make of each other follow from the shapes")
    func modules() throws {
        let tokens = try load(nil, linear("emb", 9, 4, bias: false) + stack() + linear("fc", 9, 6)).configuration
        #expect(tokens.input == .tokens(vocabularySize: 9) && tokens.output == .logits)
        let classes = try load(nil, linear("e", 9, 4, bias: false) + stack() + linear("f", 3, 6)).configuration
        #expect(classes.output == .vectors(size: 3))
        let wide = try load(nil, linear("e", 9, 6, bias: false) + stack(inputs: 6) + linear("f", 9, 6)).configuration
        #expect(wide.output == .logits)
        let vectors = try load(nil, stack() + linear("model.head", 3, 6, bias: false)).configuration
        #expect(vectors.input == .vectors(size: 4) && vectors.output == .vectors(size: 3))
        let hidden = try load(nil, linear("e", 9, 4, bias: false) + stack()).configuration
        #expect(hidden.output == .vectors(size: 6))
    }

    @Test("config.json settles what the shapes leave open") func named() throws {
        let embedding = linear("emb", 9, 6, bias: false)
        let tied = try load(#", "tied": true"#, embedding + stack(inputs: 6)).configuration
        #expect(tied.output == .logits && tied.mapsOutput)
        let untied = try load(#", "input": "emb", "tied": false"#, embedding + stack(inputs: 6)).configuration
        #expect(untied.output == .vectors(size: 6) && !untied.mapsOutput)
        let front = try load(
            #", "input": "front", "input_activation": "relu""#, linear("front", 4, 7) + stack() + linear("fc", 3, 6)
        ).configuration
        #expect(front.input == .vectors(size: 7) && front.inputActivation == .relu && front.mapsInput)
        let head = try load(
            #", "output": ["head.0", "head.2"], "output_activation": "tanh""#,
            stack() + linear("head.0", 8, 6) + linear("head.2", 3, 8)
        ).configuration
        #expect(head.hiddenOutputWidths == [8] && head.outputActivation == .tanh && head.output == .vectors(size: 3))
        let two = stack("encoder.") + stack("decoder.", inputs: 3) + linear("decoder.out", 3, 6)
        let decoder = try load(#", "stack": "decoder", "output": "decoder.out""#, two).configuration
        #expect(decoder.input == .vectors(size: 3) && decoder.output == .vectors(size: 3))
        let relu = try load(#", "activation": "relu""#, stack(gates: 1)).configuration
        #expect(relu.cell.words.map(\.value) == ["relu"])
    }

    @Test("which module plays which role is part of the identity") func roles() throws {
        let shapes = stack() + linear("a", 3, 6) + linear("b", 3, 6)
        let identities = try ["a", "b"].map { name in
            try load(", \"stack\": \"rnn\", \"output\": \"\(name)\"", shapes).identity
        }
        #expect(identities[0].tensors == identities[1].tensors)
        #expect(identities[0].architecture != identities[1].architecture)
    }

    private struct Refusal: CustomTestStringConvertible {
        let testDescription: String
        var hints: String?
        let shapes: Shapes
        let words: [String]

        init(_ name: String, _ hints: String, _ shapes: Shapes, _ words: [String]) {
            (testDescription, self.hints, self.shapes, self.words) = (name, hints, shapes, words)
        }

        init(_ name: String, _ shapes: Shapes, _ words: [String]) {
            (testDescription, self.shapes, self.words) = (name, shapes, words)
        }
    }

    private static func without(_ name: String, _ shapes: Shapes) -> Shapes { shapes.filter { $0.name != name } }

    private static let refusals: [Refusal] = [
        Refusal("one of two biases", without("rnn.bias_hh_l1", stack()), ["rnn.bias_hh_l1 is missing"]),
        Refusal("biases in one layer", stack(layers: 1) + stack(bias: false).suffix(2), ["rnn.bias_ih_l1 is missing"]),
        Refusal("no recurrent weights", without("rnn.weight_hh_l1", stack()), ["rnn.weight_hh_l1 is missing"]),
        Refusal(
            "a layer between two is missing", stack(layers: 3).filter { !$0.name.hasSuffix("_l1") },
            ["rnn.weight_ih_l1 is missing"]),
        Refusal(
            "a layer of another width", stack(layers: 1) + stack(hidden: 7).suffix(4),
            ["rnn.weight_ih_l1", "[28, 7], expected [24, 6]"]),
        Refusal(
            "layers of two cells", stack(layers: 1) + stack(gates: 3).suffix(4),
            ["rnn.weight_ih_l1", "[18, 6], expected [24, 6]"]),
        Refusal(
            "a bias of another length", without("rnn.bias_ih_l0", stack()) + [("rnn.bias_ih_l0", [23])],
            ["rnn.bias_ih_l0", "[23], expected [24]"]),
        Refusal("two gates", stack(gates: 2), ["rnn.weight_hh_l0", "[12, 6]", "LSTM", "GRU"]),
        Refusal(
            "a projection of a GRU", stack(gates: 3, hidden: 5, units: 6), ["rnn.weight_hr_l0", "LSTM", "24 rows"]),
        Refusal(
            "a projection of another size",
            without("rnn.weight_hr_l0", stack(units: 9)) + [("rnn.weight_hr_l0", [4, 9])],
            ["rnn.weight_hr_l0", "[4, 9], expected [6, 9]"]),
        Refusal(
            "a projection in one layer", without("rnn.weight_hr_l1", stack(units: 9)), ["rnn.weight_hr_l1 is missing"]),
        Refusal(
            "a number of a layer that is the largest integer", stack() + [("rnn.weight_ih_l9223372036854775807", [1])],
            ["rnn.weight_ih_l9223372036854775807", "1023"]),
        Refusal(
            "a number of a layer that is no integer of 64 bits", stack() + [("rnn.bias_hh_l99999999999999999999", [1])],
            ["rnn.bias_hh_l99999999999999999999", "1023"]),
        Refusal("layer 1024", stack() + [("rnn.weight_hr_l1024", [1])], ["rnn.weight_hr_l1024", "1023"]),
        Refusal("layer 1023 alone", stack() + [("rnn.weight_ih_l1023", [1])], ["rnn.weight_ih_l2 is missing"]),
        Refusal(
            "a number of a layer with a zero before it", stack() + [("rnn.weight_ih_l01", [1])], ["rnn.weight_ih_l01"]),
        Refusal(
            "a projection as wide as the cell", stack(hidden: 6, units: 6),
            ["rnn.weight_hr_l0", "[6, 6]", "fewer rows"]),
        Refusal(
            "a GRU with a projection whose sizes fit",
            stack(gates: 3, hidden: 8, layers: 1) + [("rnn.weight_hr_l0", [8, 6])], ["rnn.weight_hr_l0", "[8, 6]"]),
        Refusal(
            "an RNN with a projection whose sizes fit",
            stack(gates: 1, hidden: 8, layers: 1) + [("rnn.weight_hr_l0", [8, 2])], ["rnn.weight_hr_l0", "[8, 2]"]),
        Refusal(
            "both directions", stack() + [("rnn.weight_ih_l0_reverse", [24, 4])],
            ["rnn.weight_ih_l0_reverse", "bidirectional"]),
        Refusal(
            "two stacks", stack("encoder.") + stack("decoder."),
            ["\"decoder\", \"encoder\"", #"{"layout": "torch", "stack": "decoder"}"#]),
        Refusal("a stack that is not there", #", "stack": "lstm""#, stack(), ["stack is \"lstm\"", "\"rnn\""]),
        Refusal("a map of the wrong size", stack() + linear("fc", 3, 5), ["fc.weight", "[3, 5], expected [3, 6]"]),
        Refusal(
            "a map behind the cell's values", stack(hidden: 5, units: 6) + linear("fc", 3, 6),
            ["fc.weight", "[3, 6], expected [3, 5]"]),
        Refusal(
            "a map's bias of the wrong size", stack() + [("fc.weight", [3, 6]), ("fc.bias", [4])],
            ["fc.bias", "[4], expected [3]"]),
        Refusal(
            "a linear map in front that nothing names", linear("front", 4, 7) + stack(),
            ["front.weight", #"{"layout": "torch", "input": "front"}"#]),
        Refusal(
            "an embedding of another width", #", "input": "emb""#, linear("emb", 9, 5, bias: false) + stack(),
            ["emb.weight", "[9, 5], expected [4, 5]"]),
        Refusal(
            "two maps behind", stack() + linear("actor", 3, 6) + linear("critic", 1, 6),
            ["\"actor\", \"critic\"", "\"output\""]),
        Refusal(
            "two matrices that may be either",
            linear("a", 9, 6, bias: false) + stack(inputs: 6) + linear("b", 9, 6, bias: false),
            ["\"a\", \"b\"", "\"input\"", "\"output\""]),
        Refusal(
            "one matrix that may be either", linear("w", 9, 6, bias: false) + stack(inputs: 6),
            ["w is an embedding", "\"tied\"", "\"output\""]),
        Refusal(
            "tied or not", #", "input": "emb""#, linear("emb", 9, 6, bias: false) + stack(inputs: 6),
            ["emb", "\"tied\": true"]),
        Refusal(
            "tied with another width", #", "tied": true"#, linear("emb", 9, 4, bias: false) + stack(),
            ["emb.weight", "[9, 4], expected [9, 6]"]),
        Refusal("tied without an embedding", #", "tied": false"#, stack(), ["tied is of an embedding"]),
        Refusal(
            "several maps and nothing between", #", "output": ["a", "b"]"#,
            stack() + linear("a", 8, 6) + linear("b", 3, 8), ["output_activation"]),
        Refusal(
            "maps that do not fit", #", "output": ["a", "b"], "output_activation": "relu""#,
            stack() + linear("a", 8, 6) + linear("b", 3, 7), ["b.weight", "[3, 7], expected [3, 8]"]),
        Refusal(
            "an activation behind the last map", #", "output": "a", "output_activation": "relu""#,
            stack() + linear("a", 8, 6), ["output_activation"]),
        Refusal(
            "an activation of no map", #", "input_activation": "relu""#, stack(),
            ["input_activation needs a linear map"]),
        Refusal("a sine", #", "activation": "sin""#, stack(gates: 1), ["activation must be one of tanh, relu"]),
        Refusal("an activation of a GRU", #", "activation": "relu""#, stack(gates: 3), ["activation is of nn.RNN"]),
        Refusal(
            "logits of another number", #", "outputs": "logits""#,
            linear("emb", 9, 4, bias: false) + stack() + linear("fc", 3, 6), ["logits", "9 tokens and 3 outputs"]),
        Refusal("a norm", stack() + [("norm.weight", [6]), ("norm.bias", [6])], ["norm.bias"]),
        Refusal("no hidden values", stack(hidden: 0, layers: 1), ["rnn.weight_hh_l0"]),
        Refusal("a field that is none", #", "residual": true"#, stack(), ["no field \"residual\""]),
    ]

    @Test("what does not fit, or leaves a choice, is refused in words that name it", arguments: refusals)
    private func refused(_ refusal: Refusal) {
        let error = failure { _ = try load(refusal.hints, refusal.shapes) }
        let text = error?.description ?? "it was loaded"
        for word in refusal.words { #expect(text.contains(word), "\(text)") }
    }
}
