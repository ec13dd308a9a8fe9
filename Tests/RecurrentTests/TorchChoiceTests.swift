import Foundation
import TestSupport
import Testing

@testable import Recurrent

/// A file's tensors, what `config.json` says beside the layout, and what comes of both.
private struct Case: CustomTestStringConvertible {
    let testDescription: String
    /// Nil without a `config.json`.
    var hints: String?
    let shapes: Shapes
    /// What goes in: tokens, or a vector of so many values.
    var input: ModelConfiguration.Input?
    var output: ModelConfiguration.Output?
    /// What the refusal has.
    var words: [String] = []

    /// One that is served.
    init(
        _ name: String, _ hints: String, _ shapes: Shapes, takes input: ModelConfiguration.Input,
        gives output: ModelConfiguration.Output
    ) {
        (testDescription, self.hints, self.shapes, self.input, self.output) = (name, hints, shapes, input, output)
    }

    /// One that is served without a `config.json`.
    init(
        _ name: String, _ shapes: Shapes, takes input: ModelConfiguration.Input,
        gives output: ModelConfiguration.Output
    ) {
        (testDescription, self.shapes, self.input, self.output) = (name, shapes, input, output)
    }

    /// One that is refused.
    init(_ name: String, _ hints: String? = nil, _ shapes: Shapes, words: [String]) {
        (testDescription, self.hints, self.shapes, self.words) = (name, hints, shapes, words)
    }

    init(_ name: String, _ shapes: Shapes, _ words: [String]) {
        self.init(name, nil, shapes, words: words)
    }
}

private let heads = stack() + linear("policy", 3, 6) + linear("value", 1, 6)
private let language = linear("emb", 9, 4, bias: false) + stack() + linear("fc", 9, 6)
private let square = stack(inputs: 6)
private let embedding = linear("emb", 9, 6, bias: false)
private let nested = stack("") + stack("dec.")

@Suite("Which of torch's modules plays which role")
struct TorchChoiceTests {
    private static let served: [Case] = [
        // config.json names what takes part, and the others are left out.
        Case("one of two heads", #", "output": "policy""#, heads, takes: .vectors(size: 4), gives: .vectors(size: 3)),
        Case("no head", #", "output": null"#, heads, takes: .vectors(size: 4), gives: .vectors(size: 6)),
        Case(
            "no front and one head", #", "input": null, "output": "value""#, heads, takes: .vectors(size: 4),
            gives: .vectors(size: 1)),
        Case(
            "hidden states of tokens", #", "output": null"#, language, takes: .tokens(vocabularySize: 9),
            gives: .vectors(size: 6)),
        Case("no embedding", #", "input": null"#, language, takes: .vectors(size: 4), gives: .vectors(size: 9)),
        Case(
            "neither", #", "input": null, "output": null"#, language, takes: .vectors(size: 4),
            gives: .vectors(size: 6)),
        Case(
            "the map behind by name", #", "output": "fc""#, language, takes: .tokens(vocabularySize: 9), gives: .logits),
        Case(
            "a map behind whose shape fits in front, too", stack(inputs: 1) + linear("linear", 1, 6),
            takes: .vectors(size: 1), gives: .vectors(size: 1)),
        Case("the stack alone", #", "stack": "rnn""#, language, takes: .vectors(size: 4), gives: .vectors(size: 6)),
        Case("the stack without a name", #", "stack": """#, nested, takes: .vectors(size: 4), gives: .vectors(size: 6)),
        Case(
            "a stack without the map inside it", #", "stack": "net""#, stack("net.") + linear("net.fc", 3, 6),
            takes: .vectors(size: 4), gives: .vectors(size: 6)),
        Case(
            "a stack beside one of both directions", #", "stack": """#,
            nested + [("dec.weight_ih_l0_reverse", [24, 4])],
            takes: .vectors(size: 4), gives: .vectors(size: 6)),
        Case(
            "hidden states of an embedding as wide as the stack", #", "input": "emb", "output": null"#,
            embedding + square, takes: .tokens(vocabularySize: 9), gives: .vectors(size: 6)),
        // Modules inside that of the stack.
        Case(
            "a subclass with a head of its own", stack("model.") + linear("model.fc", 3, 6), takes: .vectors(size: 4),
            gives: .vectors(size: 3)),
        Case(
            "a subclass with an embedding and a head",
            linear("a.emb", 9, 4, bias: false) + stack("a.")
                + linear("a.fc", 9, 6), takes: .tokens(vocabularySize: 9), gives: .logits),
        // Names tell what shapes do not.
        Case("a square head", square + linear("head.0", 6, 6), takes: .vectors(size: 6), gives: .vectors(size: 6)),
        Case(
            "a head that would fit in front", stack() + linear("out_proj", 4, 6), takes: .vectors(size: 4),
            gives: .vectors(size: 4)),
        Case(
            "an embedding and a map of one shape", embedding + square + linear("fc", 9, 6, bias: false),
            takes: .tokens(vocabularySize: 9), gives: .logits),
        Case(
            "an embedding of as many tokens as values", linear("wte", 4, 4, bias: false) + stack() + linear("fc", 4, 6),
            takes: .tokens(vocabularySize: 4), gives: .logits),
        Case(
            "a front whose name says that it is linear", #", "input": "input_proj""#,
            linear("input_proj", 4, 4, bias: false) + stack(), takes: .vectors(size: 4), gives: .vectors(size: 6)),
        // Matrices that two modules share, saved once.
        Case(
            "the embedding, and the bias of the map tied to it", #", "tied": true"#,
            embedding + square + [("fc.bias", [9])], takes: .tokens(vocabularySize: 9), gives: .logits),
        Case(
            "the map, and its bias", #", "tied": true"#, square + linear("decoder", 9, 6),
            takes: .tokens(vocabularySize: 9), gives: .logits),
        Case(
            "the map, named as input", #", "input": "decoder", "tied": true"#, square + linear("decoder", 9, 6),
            takes: .tokens(vocabularySize: 9), gives: .logits),
        Case(
            "a module called as another layout's", "", stack() + linear("W_x", 3, 6), takes: .vectors(size: 4),
            gives: .vectors(size: 3)),
        Case(
            "a module called as a layer of another layout's", "", stack() + linear("layers.0.gate_hidden", 3, 6),
            takes: .vectors(size: 4), gives: .vectors(size: 3)),
    ]

    @Test("what shapes, names and config.json leave no choice of is served", arguments: served)
    private func serves(_ one: Case) throws {
        let configuration = try load(one.hints, one.shapes).configuration
        #expect(configuration.input == one.input && configuration.output == one.output)
    }

    private static let refused: [Case] = [
        Case("two heads", heads, [#""policy", "value""#, #"{"layout": "torch", "output": "policy"}"#, #""value"}"#]),
        Case(
            "two heads behind an embedding", linear("emb", 9, 4, bias: false) + heads,
            [#"{"layout": "torch", "input": "emb", "output": "policy"}"#]),
        Case(
            "a linear map that fits in front and behind", stack() + linear("proj", 4, 6),
            [
                "proj is a linear map in front of the stack or a linear map behind",
                #"{"layout": "torch", "input": "proj"}"#, #"{"layout": "torch", "output": "proj"}"#,
            ]),
        Case(
            "a square one whose name says front", square + linear("input_proj", 6, 6),
            ["input_proj.weight", #"{"layout": "torch", "input": "input_proj"}"#]),
        Case(
            "one that fits behind alone and is called as one in front", stack() + linear("encoder", 3, 6),
            ["encoder.weight", #"{"layout": "torch", "output": "encoder"}"#]),
        Case(
            "a map that fits in front beside one that is named behind", #", "output": "fc""#,
            square + linear("a", 6, 6) + linear("fc", 3, 6),
            words: [
                #"{"layout": "torch", "output": "fc", "input": "a"}"#,
                #"{"layout": "torch", "output": "fc", "input": null}"#,
            ]),
        Case(
            "a square one without a bias", stack() + linear("a", 4, 4, bias: false),
            [
                "a is an embedding or a linear map in front", #""input": "a", "inputs": "tokens"}"#,
                #""input": "a", "inputs": "vectors"}"#,
            ]),
        Case(
            "one map in front or behind beside another behind", square + linear("a", 6, 6) + linear("b", 6, 6),
            [#""a", "b""#, #""input": "a", "output": "b"}"#, #""input": "b", "output": "a"}"#]),
        Case(
            "maps of one width behind each other", stack() + linear("head.0", 6, 6) + linear("head.2", 3, 6),
            [#""head.0", "head.2""#, #"{"layout": "torch", "output": ["head.0", "head.2"], "output_activation""#]),
        Case(
            "maps of several widths behind each other",
            stack() + linear("head.0", 5, 6) + linear("head.10", 3, 8)
                + linear("head.2", 8, 5),
            [#"{"layout": "torch", "output": ["head.0", "head.2", "head.10"], "output_activation""#]),
        Case(
            "such maps behind an embedding",
            linear("emb", 9, 4, bias: false) + stack() + linear("head.0", 5, 6) + linear("head.2", 9, 5),
            [#"{"layout": "torch", "input": "emb", "output": ["head.0", "head.2"], "output_activation""#]),
        Case(
            "tied or not", embedding + square,
            [#"{"layout": "torch", "tied": true}"#, #"{"layout": "torch", "tied": false}"#]),
        Case(
            "tied or not, where config.json says something", #", "input": "emb""#, embedding + square,
            words: [#"{"layout": "torch", "input": "emb", "tied": true}"#]),
        Case(
            "a bias without a weight", linear("emb", 9, 4, bias: false) + stack() + [("fc.bias", [9])], ["fc.bias"]),
        Case(
            "a map of the wrong size with a front that is named", #", "input": null"#, stack() + linear("fc", 3, 5),
            words: ["[3, 5], expected [3, 6]"]),
        Case(
            "a module called as another layout's", stack() + linear("W_x", 3, 6),
            ["more than one model", #"{"layout": "torch"}"#]),
        Case(
            "a module called as a layer of another layout's", stack() + linear("layers.0.gate_hidden", 3, 6),
            ["more than one model", #"{"layout": "torch"}"#]),
    ]

    @Test("what leaves a choice is refused with what settles it", arguments: refused)
    private func refuses(_ one: Case) {
        let text = failure { _ = try load(one.hints, one.shapes) }?.description ?? "it was loaded"
        for word in one.words { #expect(text.contains(word), "\(text)") }
        #expect(!text.contains(/has shape (\[[0-9, ]*\]), expected \1$/), "\(text)")
    }

    /// Every `config.json` in a refusal.
    private static func advice(_ text: String) -> [String] {
        text.matches(of: /\{"layout": "torch"([^}]*)\}/).map { String($0.1) }
    }

    @Test(
        "every config.json that a refusal names is taken", arguments: refused.filter { $0.words.joined().contains("{") }
    )
    private func follows(_ one: Case) throws {
        let text = failure { _ = try load(one.hints, one.shapes) }?.description ?? ""
        let settled = Self.advice(text)
        #expect(!settled.isEmpty, "\(text)")
        for hints in settled { #expect(failure { _ = try load(hints, one.shapes) } == nil, "\(hints)") }
    }

    @Test("a matrix that its file notes to have a second name is not taken for a map of vectors") func noted() throws {
        let tensors = (square + linear("decoder", 9, 6)).map { name, shape in
            (name, shape, [Float](repeating: 0.1, count: shape.reduce(1, *)))
        }
        let plain = Safetensors.data(tensors)
        let length = plain[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = String(decoding: plain[8..<8 + length], as: UTF8.self).dropFirst()
        let noted = Safetensors.data(
            header: "{\"__metadata__\":{\"encoder.weight\":\"decoder.weight\"}," + header, body: plain[(8 + length)...])
        let text = failure { _ = try load(nil, noted) }?.description ?? "it was loaded"
        #expect(text.contains(#"{"layout": "torch", "tied": true}"#), "\(text)")
        let tied = try load(#"{"layout": "torch", "tied": true}"#, noted).model.configuration
        #expect(tied.input == .tokens(vocabularySize: 9) && tied.output == .logits)
        #expect(try load(nil, plain).model.configuration.output == .vectors(size: 9))
    }
}
