import Foundation
import TestSupport
import Testing

@testable import Recurrent

@Suite("Weights of one stack have one type")
struct MixedTypesTests {
    private struct Mixed: CustomTestStringConvertible {
        let testDescription: String
        var configuration: String?
        let shapes: Shapes
        /// Ends of the names of tensors that are float16; all others are float32.
        let halves: [String]
        /// The first tensor of another type, and the one that it is compared with.
        let names: (odd: String, first: String)
    }

    private static func para(_ vectors: [String]) -> Shapes {
        (0..<2).flatMap { layer -> Shapes in
            vectors.map { ("layers.\(layer).\($0)", [6]) } + linear("layers.\(layer).W_x", 18, layer == 0 ? 4 : 6)
        }
    }

    private static func heads(_ more: Shapes = []) -> Shapes {
        (0..<2).flatMap { layer -> Shapes in
            ([("A", [3, 6]), ("B", [2, 3, 3, 3]), ("b", [3, 6])] + more).map {
                ("layers.\(layer).\($0.name)", $0.shape)
            }
        }
    }

    private static func native(_ cell: String) -> String {
        """
        {"cell": "\(cell)", "order": "stacked", "layers": 2, "width": 6, "norm": null, "final_norm": false,
         "input": {"kind": "vectors", "size": 6, "map": false}, "output": {"kind": "vectors", "size": 6, "map": false}}
        """
    }

    private static func layers(_ shapes: Shapes) -> Shapes {
        (0..<2).flatMap { layer in shapes.map { ("layers.\(layer).rnn.\($0.name)", $0.shape) } }
    }

    private static let mixed: [Mixed] = [
        Mixed(
            testDescription: "nn.LSTM", shapes: stack(), halves: ["_l1"],
            names: ("rnn.weight_ih_l1", "rnn.weight_ih_l0")),
        Mixed(
            testDescription: "ParaGRU of pararnn-torch", shapes: para(["a_z", "a_r", "a_n"]),
            halves: ["1.a_z", "1.a_r", "1.a_n", "1.W_x.weight", "1.W_x.bias"],
            names: ("layers.1.W_x.weight", "layers.0.W_x.weight")),
        Mixed(
            testDescription: "ParaLSTM of pararnn-torch", shapes: para(["a_f", "a_z", "a_o", "c_f", "c_o"]),
            halves: ["0.c_f"], names: ("layers.0.c_f", "layers.0.W_x.weight")),
        Mixed(
            testDescription: "ParaGRU of ml-pararnn", shapes: heads(), halves: ["1.A", "1.B", "1.b"],
            names: ("layers.1.B", "layers.0.B")),
        Mixed(
            testDescription: "ParaLSTM of ml-pararnn", shapes: heads([("C", [2, 6])]), halves: ["1.C"],
            names: ("layers.1.C", "layers.0.B")),
        Mixed(
            testDescription: "GRU of a config.json", configuration: native("GRU"),
            shapes: layers([("weight_ih", [18, 6]), ("weight_hh", [18, 6])]), halves: ["weight_hh"],
            names: ("layers.0.rnn.weight_hh", "layers.0.rnn.weight_ih")),
        Mixed(
            testDescription: "ParaGRU of a config.json", configuration: native("ParaGRU"),
            shapes: layers([("a_z", [6]), ("a_r", [6]), ("a_n", [6]), ("W_x.weight", [18, 6])]),
            halves: ["1.rnn.W_x.weight"],
            names: ("layers.1.rnn.W_x.weight", "layers.0.rnn.W_x.weight")),
    ]

    @Test("a stack of two types is refused with the tensor's name", arguments: mixed)
    private func refused(_ one: Mixed) throws {
        var random = SeededGenerator(seed: 4)
        let tensors = one.shapes.map { name, shape in
            (name, shape, (0..<shape.reduce(1, *)).map { _ in random.float() })
        }
        let halves = Safetensors.data(tensors, halves: { name in one.halves.contains { name.hasSuffix($0) } })
        let text = failure { _ = try load(one.configuration, halves) }?.description ?? "it was loaded"
        let expected = "tensor \(one.names.odd) has type F16, expected F32 as \(one.names.first)"
        #expect(text.hasPrefix(expected), "\(text)")
        for all in [true, false] {
            #expect(failure { _ = try load(one.configuration, Safetensors.data(tensors, halves: { _ in all })) } == nil)
        }
    }
}
