import TestSupport
import Testing

@testable import Recurrent

@Suite("What a stack lacks is named with what was expected")
struct MissingLayerTests {
    private static func para(_ layers: [Int], inputs: Int = 4) -> Shapes {
        layers.flatMap { layer -> Shapes in
            ["a_z", "a_r", "a_n"].map { ("layers.\(layer).\($0)", [6]) }
                + linear("layers.\(layer).W_x", 18, layer == 0 ? inputs : 6)
        }
    }

    private static func heads(_ layer: Int, _ heads: Int, _ inputs: Int) -> Shapes {
        [("A", [3, 6]), ("B", [heads, inputs, 3, 6 / heads]), ("b", [3, 6])].map { ("layers.\(layer).\($0)", $1) }
    }

    private static func renamed(_ shapes: Shapes, _ from: String, _ to: String) -> Shapes {
        shapes.map { ($0.name.replacing(from, with: to), $0.shape) }
    }

    private static let lacking: [(name: String, shapes: Shapes, words: [String])] = [
        (
            "no first layer", renamed(stack("", gates: 3, inputs: 6, layers: 1), "_l0", "_l1"),
            ["tensor weight_ih_l0 is missing", "expected [18, inputs]"]
        ),
        (
            "no first layer behind a prefix", stack(layers: 3).filter { !$0.name.hasSuffix("_l0") },
            ["tensor rnn.weight_ih_l0 is missing", "expected [24, inputs]"]
        ),
        (
            "no maps of the input", [("weight_hh_l0", [18, 6])],
            ["tensor weight_ih_l0 is missing", "expected [18, inputs]"]
        ),
        (
            "no recurrent map", [("weight_ih_l0", [18, 6])],
            ["tensor weight_hh_l0 is missing", "expected [18, hidden]"]
        ),
        ("a cell without a map of the input", [("weight_hh", [18, 6])], ["tensor weight_ih is missing"]),
        (
            "a layer in the middle", stack(layers: 3).filter { !$0.name.hasSuffix("_l1") },
            ["tensor rnn.weight_ih_l1 is missing", "expected [24, 6]"]
        ),
        (
            "a bias", stack().filter { $0.name != "rnn.bias_hh_l1" },
            ["tensor rnn.bias_hh_l1 is missing", "expected [24]"]
        ),
        (
            "a layer of pararnn-torch in the middle", para([0, 2]),
            ["tensor layers.1.W_x.weight is missing", "expected [3 · width, 6]"]
        ),
        ("the first layer of pararnn-torch", para([1, 2]), ["tensor layers.0.W_x.weight is missing"]),
        (
            "a layer of ml-pararnn in the middle", heads(0, 2, 2) + heads(2, 2, 3),
            ["tensor layers.1.B is missing", "expected [heads, 6 / heads, 3, width / heads]"]
        ),
        (
            "the recurrent weights of ml-pararnn", [("B", [2, 2, 3, 3]), ("b", [3, 6])],
            ["tensor A is missing, expected [3, 6]"]
        ),
        (
            "a layer of mingru in the middle",
            linear("layers.0.gate_hidden", 12, 4) + linear("layers.2.gate_hidden", 12, 6),
            ["tensor layers.1.gate_hidden.weight is missing"]
        ),
        (
            "heads that do not divide the values before them", heads(0, 2, 2) + renamed(heads(1, 3, 1), "B", "B"),
            ["layers.1.B has shape [3, 1, 3, 2], expected [3, 2, 3, 2]"]
        ),
        (
            "more heads than values before them",
            heads(0, 2, 2) + [("layers.1.A", [3, 7]), ("layers.1.B", [7, 1, 3, 1]), ("layers.1.b", [3, 7])],
            ["tensor layers.1.B", "7 heads", "6 values"]
        ),
    ]

    @Test("each is refused in words that name it", arguments: lacking.map(\.name))
    func names(name: String) throws {
        let one = try #require(Self.lacking.first { $0.name == name })
        let text = failure { _ = try load(nil, one.shapes) }?.description ?? "it was loaded"
        for word in one.words { #expect(text.contains(word), "\(text)") }
        #expect(!text.contains(/expected \[([0-9]+, )*0[,\]]/), "\(text)")
    }

    @Test("no number of a layer, however large, is counted up to") func numbers() {
        for number in ["1024", "9223372036854775807", "99999999999999999999"] {
            let text =
                failure { _ = try load(nil, Self.para([0]) + linear("layers.\(number).W_x", 18, 6)) }?.description
            #expect(text?.contains("layers.\(number).W_x") == true, "\(text ?? "it was loaded")")
        }
    }
}
