import TestSupport
import Testing

@testable import Recurrent

/// What a refusal advises for a file.
private struct Advised: CustomTestStringConvertible {
    let testDescription: String
    let shapes: Shapes
    var hints: String?
    /// Configurations that must be among the advised, without `layout`.
    var among: [String] = []
    /// What else the refusal says.
    var words: [String] = []
}

@Suite("Every config.json that a refusal advises is a whole one")
struct TorchAdviceTests {
    private static func gru(_ prefix: String, _ inputs: Int = 8, _ hidden: Int = 12) -> Shapes {
        stack(prefix, gates: 3, inputs: inputs, hidden: hidden, layers: 1)
    }

    private static let translator =
        linear("encoder.embedding", 20, 8, bias: false) + gru("encoder.rnn.")
        + linear("decoder.embedding", 20, 8, bias: false) + gru("decoder.rnn.") + linear("decoder.out", 20, 12)

    private static let advised = [
        Advised(
            testDescription: "two stacks, each with modules beside it", shapes: translator,
            among: [
                #""stack": "decoder.rnn", "input": "decoder.embedding", "output": "decoder.out""#,
                #""stack": "encoder.rnn", "input": "encoder.embedding""#,
            ]),
        Advised(
            testDescription: "two stacks that share what stands beside them",
            shapes: linear("embedding", 20, 8, bias: false) + gru("encoder.") + gru("decoder.")
                + linear("fc", 20, 12),
            among: [
                #""stack": "decoder", "input": "embedding", "output": "fc""#,
                #""stack": "encoder", "input": "embedding", "output": "fc""#,
            ]),
        Advised(
            testDescription: "two stacks of other widths",
            shapes: gru("one.") + gru("two.", 12, 5) + linear("fc", 3, 5),
            among: [#""stack": "one""#, #""stack": "two", "output": "fc""#]),
        Advised(
            testDescription: "a module inside that of a stack",
            shapes: gru("encoder.") + gru("decoder.", 3) + linear("decoder.out", 3, 12),
            among: [#""stack": "decoder", "output": "decoder.out""#, #""stack": "encoder""#]),
        Advised(
            testDescription: "several maps behind one of two stacks",
            shapes: gru("a.rnn.") + gru("b.rnn.") + linear("b.head.0", 5, 12) + linear("b.head.2", 3, 5),
            among: [
                #""stack": "a.rnn""#,
                #""stack": "b.rnn", "output": ["b.head.0", "b.head.2"], "output_activation": "relu""#,
            ], words: ["output_activation is what stands between several"]),
        Advised(
            testDescription: "two stacks of which one leaves a choice",
            shapes: gru("a.rnn.") + gru("b.rnn.") + linear("b.policy", 3, 12) + linear("b.value", 1, 12),
            among: [
                #""stack": "a.rnn""#, #""stack": "b.rnn", "output": "b.policy""#,
                #""stack": "b.rnn", "output": "b.value""#,
            ]),
        Advised(
            testDescription: "two stacks, one of both directions",
            shapes: gru("a.rnn.") + gru("b.rnn.") + [("b.rnn.weight_ih_l0_reverse", [36, 8])],
            among: [#""stack": "a.rnn""#]),
        Advised(
            testDescription: "an embedding and a head whose name begins so",
            shapes: linear("wte", 20, 12, bias: false) + gru("gru.", 12) + linear("embed_out", 20, 12, bias: false),
            among: [#""input": "wte", "output": "embed_out""#]),
        Advised(
            testDescription: "such a head behind an embedding that config.json names",
            shapes: linear("wte", 20, 12, bias: false) + gru("gru.", 12) + linear("embed_out", 20, 12, bias: false),
            hints: #", "input": "wte""#,
            among: [#""input": "wte", "output": "embed_out""#, #""input": "wte", "tied": true"#]),
        Advised(
            testDescription: "a head that config.json leaves out by naming the stack",
            shapes: linear("emb", 20, 12, bias: false) + gru("gru.", 12) + linear("fc", 20, 12),
            hints: #", "stack": "gru", "input": "emb""#,
            among: [#""stack": "gru", "input": "emb", "output": "fc""#]),
        Advised(
            testDescription: "such a head alone",
            shapes: gru("gru.", 12) + linear("embed_out", 20, 12, bias: false),
            among: [#""output": "embed_out""#, #""tied": true"#, #""tied": false"#]),
        Advised(
            testDescription: "a classifier of tokens",
            shapes: gru("gru.", 8, 8) + linear("token_classifier", 5, 8, bias: false),
            among: [#""output": "token_classifier""#]),
        Advised(
            testDescription: "a classifier of tokens that fits behind alone",
            shapes: linear("embedding", 9, 8, bias: false) + gru("gru.") + linear("token_classifier", 5, 12),
            among: [#""output": "token_classifier""#]),
        Advised(
            testDescription: "an embedding of a head",
            shapes: linear("embedding", 9, 8, bias: false) + gru("gru.", 8, 8)
                + linear("embed_head", 9, 8, bias: false),
            among: [#""input": "embedding", "output": "embed_head""#]),
    ]

    private static func advice(_ text: String) -> [String] {
        text.matches(of: /\{"layout": "torch", ([^}]*)\}/).map { String($0.1) }
    }

    @Test("what settles it is named as a whole", arguments: advised)
    private func names(_ one: Advised) {
        let text = failure { _ = try load(one.hints, one.shapes) }?.description ?? "it was loaded"
        let advice = Self.advice(text)
        for wanted in one.among { #expect(advice.contains(wanted), "\(text)") }
        for word in one.words { #expect(text.contains(word), "\(text)") }
        for hints in advice {
            #expect(failure { _ = try load(", " + hints, one.shapes) } == nil, "\(hints)")
        }
    }

    @Test("nothing is advised that would be refused again; what would refuse it is named instead")
    func followed() {
        let heads: Shapes = [("A", [3, 6]), ("B", [2, 2, 3, 3]), ("b", [3, 6])]
        for (shapes, words) in [
            (stack("", gates: 3, layers: 1) + heads, ["more than one model", "ml-pararnn"]),
            (
                linear("policy", 3, 6) + linear("value", 1, 6) + stack() + [("norm.scale", [6])],
                ["tensor norm.scale has no place"]
            ),
            (
                stack("a.", layers: 1) + [("b.weight_ih_l0", [24, 4]), ("b.weight_hh_l0", [24, 5])],
                [#"{"layout": "torch", "stack": "a"}"#]
            ),
        ] as [(Shapes, [String])] {
            let text = failure { _ = try load(nil, shapes) }?.description ?? "it was loaded"
            for word in words { #expect(text.contains(word), "\(text)") }
            for found in text.matches(of: /\{"layout": "torch"([^}]*)\}/) {
                #expect(failure { _ = try load(String(found.1), shapes) } == nil, "\(text)")
            }
        }
        let residual: Shapes = linear("layers.0.gate_hidden", 8, 4) + [("layers.0.scale", [4])]
        let text = failure { _ = try load(nil, residual) }?.description ?? "it was loaded"
        #expect(text.contains("tensor layers.0.scale has no place"), "\(text)")
    }
}
