import Foundation
import Kernels
import TestSupport
import Testing

@testable import Recurrent

@Suite("Published layouts are recognised from their tensors")
struct PublishedLayoutTests {
    private static func random(_ list: [(String, [Int])]) -> [NamedTensor] {
        var random = SeededGenerator(seed: 9)
        return list.map { name, shape in (name, shape, (0..<shape.reduce(1, *)).map { _ in random.float() }) }
    }

    private static func minRNNs(parts: Int = 2, feedForward: Bool = true, outputs: Int = 7) -> [NamedTensor] {
        var list: [(String, [Int])] = [
            ("token_emb.weight", [7, 6]), ("norm.gamma", [6]), ("to_out.weight", [outputs, 6]),
        ]
        for layer in 0..<2 {
            let prefix = "layers.\(layer)."
            list += [
                (prefix + "1.gamma", [6]), (prefix + "3.gamma", [6]), (prefix + "2.init_hidden_state", [9]),
                (prefix + "2.to_hidden_and_gate.weight", [parts * 9, 6]),
                (prefix + "2.to_hidden_and_gate.bias", [parts * 9]), (prefix + "2.to_out.weight", [6, 9]),
                (prefix + "2.to_out.bias", [6]),
            ]
            guard feedForward else { continue }
            list += [
                (prefix + "4.net.0.weight", [10, 6]), (prefix + "4.net.0.bias", [10]),
                (prefix + "4.net.1.mult_bias", [5]), (prefix + "4.net.3.weight", [6, 5]),
                (prefix + "4.net.3.bias", [6]),
            ]
        }
        return random(list)
    }

    private static func stack(_ widths: [Int], align: Bool = false) -> [NamedTensor] {
        var list: [(String, [Int])] = []
        for (layer, (before, behind)) in zip(widths, widths.dropFirst()).enumerated() {
            list.append(("layers.\(layer).gate_hidden.weight", [2 * behind, before]))
            list.append(("layers.\(layer).gate_hidden.bias", [2 * behind]))
            if align && before != behind { list.append(("layers.\(layer).res_align.weight", [behind, before])) }
        }
        return random(list)
    }

    @Test("minRNNs: cell, feed-forward layer and output follow from the shapes") func authors() throws {
        let gru = try load(nil, Self.minRNNs()).model
        #expect(gru.configuration.cellName == "minGRU" && gru.configuration.layers == 2)
        #expect(gru.configuration.mlp == .init(width: 5, activation: .geglu))
        #expect(gru.configuration.output == .logits)
        #expect(gru.initialState.contains { $0 != 0 })
        let lstm = try load(nil, Self.minRNNs(parts: 3, feedForward: false, outputs: 4)).model.configuration
        #expect(lstm.cellName == "minLSTM-unnormalised" && lstm.mlp == nil && lstm.output == .vectors(size: 4))
        let hint = "{\"layout\": \"minRNNs\", \"normalised_gates\": true}"
        #expect(try load(hint, Self.minRNNs(parts: 3)).model.configuration.cellName == "minLSTM")
    }

    @Test("mingru: widths, alignment and their absence are seen") func stacks() throws {
        let aligned = try load(nil, Self.stack([4, 6, 6, 3], align: true)).model
        #expect(aligned.configuration.order == .paper && aligned.configuration.layerWidths == [6, 6, 3])
        #expect(aligned.initialState.prefix(15).allSatisfy { $0 == 0.5 })
        #expect(aligned.configuration.inputSize == 4 && aligned.configuration.outputSize == 3)
        #expect(try load(nil, Self.stack([4, 6, 3])).model.configuration.order == .stacked)
    }

    @Test("mingru: where nothing shows whether layers are residual, the file must be told") func ambiguous() throws {
        let error = failure { _ = try load(nil, Self.stack([4, 4])) }
        #expect(error?.description.contains("\"residual\": true") == true)
        for (hint, order) in [(true, ModelConfiguration.BlockOrder.paper), (false, .stacked)] {
            let json = "{\"layout\": \"mingru\", \"residual\": \(hint)}"
            #expect(try load(json, Self.stack([4, 4])).model.configuration.order == order)
        }
    }

    @Test("pufferlib: a highway of equal widths") func highway() throws {
        let tensors = Self.random([("layers.0.weight", [12, 4]), ("layers.1.weight", [12, 4])])
        let configuration = try load(nil, tensors).model.configuration
        #expect(configuration.order == .highway && configuration.layers == 2 && configuration.width == 4)
        let odd = Self.random([("layers.0.weight", [11, 4])])
        #expect(failure { _ = try load(nil, odd) } != nil)
    }

    @Test("norms called gamma hold the weight less one") func gamma() throws {
        let old = PyTorchCheckpoint().tensors.map { tensor in
            let isNorm = tensor.shape == [6] && tensor.name.hasSuffix(".weight")
            return isNorm ? (tensor.name.replacing(".weight", with: ".gamma"), tensor.shape, tensor.values) : tensor
        }
        #expect(old.map(\.0) != PyTorchCheckpoint().tensors.map(\.name))
        #expect(try load(nil, old).model.configuration.norm!.epsilon < 1e-24)
    }

    @Test("each tensor of each layout is needed, but for biases, learned factors and what has no role") func missing() {
        for tensors in [Self.minRNNs(), Self.stack([4, 6, 3], align: true)] {
            for index in tensors.indices {
                var rest = tensors
                let name = rest.remove(at: index).name
                let optional = [".bias", "init_hidden_state", "mult_bias"].contains { name.hasSuffix($0) }
                let error = failure { _ = try load(nil, rest) }
                #expect(optional ? error == nil : error != nil, "\(name)")
            }
        }
    }

    @Test("shapes that contradict each other or hold nothing are refused, never trusted") func shapes() {
        let layouts = [
            Self.minRNNs(), Self.stack([4, 6, 3], align: true), Self.random([("layers.0.weight", [12, 4])]),
        ]
        for tensors in layouts {
            for index in tensors.indices {
                for shape in [[], [0], [0, 6], [6, 0], [0, 0, 0], [1], [2, 6], [3, 6], [12, 5], [1, 1, 1, 1]] {
                    var changed = tensors
                    // Other numbers of tokens or outputs are another model of the same layout.
                    let isOther = ["token_emb.weight", "to_out.weight"].contains(changed[index].name)
                    guard shape != changed[index].shape, !(isOther && shape.last == 6 && shape[0] > 0) else {
                        continue
                    }
                    changed[index].shape = shape
                    changed[index].values = [Float](repeating: 0.5, count: shape.reduce(1, *))
                    #expect(failure { _ = try load(nil, changed) } != nil, "\(changed[index].name) \(shape)")
                }
            }
        }
    }

    @Test("a hint that is no hint is refused") func hints() {
        let tensors = Self.stack([4, 4])
        for (json, reason) in [
            ("{\"layout\": \"gru\"}", "layout must be one of minGRU-pytorch, minRNNs, mingru, pufferlib"),
            ("{\"layout\": \"minRNNs\"}", "not of the layout minRNNs"),
            ("{\"layout\": \"mingru\", \"residual\": 1}", "residual must be true or false"),
            ("{\"layout\": \"mingru\", \"cell\": \"minGRU\"}", "no field \"cell\""),
        ] {
            #expect(failure { _ = try load(json, tensors) }?.description.contains(reason) == true, "\(reason)")
        }
    }
}
