import Foundation
import TestSupport
import Testing

@testable import Recurrent

@Suite("What wrappers of a model put before the names of its tensors")
struct PrefixTests {
    private static func behind(_ prefix: String, _ tensors: [NamedTensor]) -> [NamedTensor] {
        tensors.map { (name: prefix + $0.name, shape: $0.shape, values: $0.values) }
    }

    private static let pyTorch = PyTorchCheckpoint().tensors
    private static let highway: [NamedTensor] = (0..<2).map { layer in
        ("layers.\(layer).weight", [12, 4], (0..<48).map { Float($0) / 50 - 0.5 })
    }
    private static let stack: [NamedTensor] = [
        ("layers.0.gate_hidden.weight", [6, 2], (0..<12).map { Float($0) / 10 }),
        ("layers.1.gate_hidden.weight", [4, 3], (0..<12).map { Float($0) / 10 }),
    ]

    @Test(
        "any is left out of any layout, in any nesting",
        arguments: [
            "net.", "lm.", "model.net.", "model.", "_orig_mod.", "module.", "module._orig_mod.", "model.min_gru_model.",
            "layers.", "layers.0.", "a.b.c.d.", "x.layers.0.2.", "größe.",
        ])
    func prefixes(prefix: String) throws {
        for tensors in [Self.pyTorch, Self.highway, Self.stack] {
            let (plain, wrapped) = (try load(nil, tensors).model, try load(nil, Self.behind(prefix, tensors)).model)
            #expect(wrapped.configuration == plain.configuration)
            #expect(wrapped.parameters == plain.parameters && plain.parameters > 0)
        }
        let lacking = Self.behind(prefix, Self.pyTorch).filter { !$0.name.hasSuffix("to_out.weight") }
        #expect(failure { _ = try load(nil, lacking) } == .missingTensor(prefix + "layers.0.2.to_out.weight"))
        let more = Self.behind(prefix, Self.pyTorch + [("step", [1], [3])])
        #expect(failure { _ = try load(nil, more) }?.description.contains("tensor \(prefix)step has no place") == true)
    }

    @Test("any is left out of Scanstep's own names, too", arguments: ["model.", "net.", "module._orig_mod."])
    func native(prefix: String) throws {
        let model = RandomModel()
        let wrapped = try load(model.configuration, Self.behind(prefix, model.tensors)).model
        #expect(try wrapped.configuration == load(model.configuration, model.tensors).model.configuration)
    }

    @Test("part of a word is no prefix") func partOfAWord() {
        let error = failure { _ = try load(nil, Self.behind("my_", Self.stack)) }
        guard case .unknownLayout? = error else {
            Issue.record("\(error.map { "\($0)" } ?? "recognised")")
            return
        }
    }

    @Test("two models in one file are refused, and both are named") func two() {
        let both = Self.behind("model.", Self.pyTorch) + Self.behind("ema_model.", Self.pyTorch)
        let error = failure { _ = try load(nil, both) }
        #expect(
            error
                == .ambiguousLayout(
                    found: ["minGRU-pytorch behind \"ema_model.\"", "minGRU-pytorch behind \"model.\""]))
        #expect(error?.description.contains("save the state_dict() of one alone") == true)
    }

    @Test("tensors of two layouts behind one prefix are refused, until config.json names one") func layouts() {
        let both = Self.behind("net.", Self.pyTorch + [("to_out.weight", [11, 6], [Float](repeating: 0, count: 66))])
        let error = failure { _ = try load(nil, both) }
        #expect(
            error == .ambiguousLayout(found: ["minGRU-pytorch behind \"net.\"", "minRNNs behind \"net.\""]))
        let named = failure { _ = try load(#"{"layout": "minGRU-pytorch"}"#, both) }
        #expect(named?.description.contains("tensor net.to_out.weight has no place") == true)
    }

    @Test("a model beside other tensors is refused, and they are named") func strangers() {
        let error = failure { _ = try load(nil, Self.behind("net.", Self.pyTorch) + [("loss.weight", [1], [1])]) }
        #expect(error == .strangers(layout: "minGRU-pytorch", prefix: "net.", tensors: ["loss.weight"]))
        #expect(error?.description.contains("`convert.py --prefix net.`") == true)
    }

    @Test(
        "tensors of families that are not served are called by their name",
        arguments: [
            ("backbone.layers.0.mixer.A_log", "Mamba"), ("h.0.attn.c_attn.weight", "a transformer"),
            (
                "conv.weight",
                "known are minGRU-pytorch, minRNNs, mingru, pufferlib, torch, pararnn-torch, ml-pararnn; anything else needs a config.json"
            ),
        ])
    func families(name: String, words: String) {
        let error = failure { _ = try load(nil, [("a", [1], [0]), (name, [1], [0])]) }
        #expect(error?.description.contains(words) == true)
    }

    @Test("layers.N.weight of another shape or with other tensors is no highway") func otherLayers() {
        let others: [[NamedTensor]] = [
            [("layers.0.weight", [2, 4], [Float](repeating: 1, count: 8))],
            Self.highway + [("layers.0.bias", [12], [Float](repeating: 1, count: 12))],
            [Self.highway[0], ("layers.2.weight", [12, 4], Self.highway[0].values)],
        ]
        for tensors in others {
            let error = failure { _ = try load(nil, tensors) }
            guard case .unknownLayout? = error else {
                Issue.record("\(error.map { "\($0)" } ?? "recognised")")
                continue
            }
        }
    }
}
