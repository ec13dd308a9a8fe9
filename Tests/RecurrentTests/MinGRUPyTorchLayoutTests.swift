import Kernels
import TestSupport
import Testing

@testable import Recurrent

@Suite("The layout of minGRU-pytorch is recognised from its tensors alone")
struct MinGRUPyTorchLayoutTests {
    @Test("cell, expansion, depth, kernel and feed-forward width follow from the shapes", arguments: 0..<48)
    func recognition(index: Int) throws {
        var checkpoint = PyTorchCheckpoint()
        checkpoint.lstm = index % 2 == 0
        checkpoint.inner = [6, 9, 4][index / 2 % 3]
        checkpoint.kernel = [nil, 1, 3, 5][index / 6 % 4]
        checkpoint.mlpWidth = [nil, 7][index / 24]
        checkpoint.layers = 1 + index % 3
        let model = try load(nil, checkpoint.tensors).model
        let configuration = model.configuration
        #expect(configuration.cellName == (checkpoint.lstm ? "minLSTM" : "minGRU"))
        #expect(configuration.cell.words.map(\.value) == ["log-space"] && configuration.order == .minGRUPyTorch)
        #expect(configuration.layers == checkpoint.layers && configuration.width == 6)
        #expect(configuration.innerWidth == checkpoint.inner && configuration.mlp?.width == checkpoint.mlpWidth)
        #expect(configuration.convolution == checkpoint.kernel.map { .init(kernel: $0, pointwise: true) })
        #expect(configuration.input == .tokens(vocabularySize: 11) && configuration.output == .logits)
        #expect(configuration.norm == .init(kind: .rms, epsilon: Float.ulpOfOne) && configuration.finalNorm)
        #expect(model.parameters == checkpoint.tensors.reduce(0) { $0 + $1.values.count })
        #expect(model.initialState.allSatisfy { $0 == 0 })
    }

    @Test("each tensor is needed, but for biases") func missing() {
        let tensors = PyTorchCheckpoint().tensors
        for index in tensors.indices {
            var rest = tensors
            let name = rest.remove(at: index).name
            let error = failure { _ = try load(nil, rest) }
            #expect(name.hasSuffix(".bias") ? error == nil : error != nil, "\(name)")
        }
    }

    @Test("shapes that contradict each other or hold nothing are refused, never trusted") func shapes() {
        let tensors = PyTorchCheckpoint().tensors
        for index in tensors.indices {
            for shape in [
                [], [0], [0, 6], [6, 0], [0, 0, 0], [0, 1, 3], [1], [2, 6], [3, 6], [6, 1, 0], [1, 1, 1, 1],
            ] {
                var changed = tensors
                guard shape != changed[index].shape else { continue }
                changed[index].shape = shape
                changed[index].values = [Float](repeating: 0.5, count: shape.reduce(1, *))
                #expect(failure { _ = try load(nil, changed) } != nil, "\(changed[index].name) \(shape)")
            }
        }
    }

    @Test("a feed-forward layer of no width is refused by name") func emptyFeedForward() {
        var checkpoint = PyTorchCheckpoint()
        checkpoint.mlpWidth = 0
        let error = failure { _ = try load(nil, checkpoint.tensors) }
        #expect(error == .wrongShape(tensor: "layers.0.4.0.weight", expected: [24, 6], found: [0, 6]))
    }

    @Test("other names are an unknown layout, and some of them are shown") func unknown() {
        let names = ["gpt.wte.weight", "b", "c", "d", "e"]
        let error = failure { _ = try load(nil, names.map { ($0, [1], [0]) }) }
        #expect(error == .unknownLayout(tensors: ["b", "c", "d", "e", "gpt.wte.weight"], isForeign: false))
        #expect(error?.description.contains("(b, c, d, e, …)") == true)
        #expect(error?.description.contains("no config.json") == true)
        for missing in ["token_emb.weight", "to_logits.weight", "layers.0.2.to_hidden_and_gate.weight"] {
            let tensors = PyTorchCheckpoint().tensors.filter { $0.name != missing }
            guard case .unknownLayout? = failure({ _ = try load(nil, tensors) }) else {
                Issue.record("recognised without \(missing)")
                continue
            }
        }
    }
}
