import TestSupport
import Testing

@testable import Recurrent

@Suite("State layout and fingerprint")
struct StateLayoutTests {
    @Test("a state is h and the window of each layer, and the last block's output, without gaps", arguments: 0..<60)
    func sizes(seed: Int) throws {
        let random = RandomModel(seed: UInt64(seed))
        let model = try random.load().model
        let window = random.kernel.map { ($0 - 1) * random.width } ?? 0
        let hidden = (0..<random.layers).map(random.hiddenWidth)
        #expect(model.state.count == hidden.reduce(0, +) + random.layers * window + random.widths.last!)
        #expect(model.state.bytes == 4 * model.state.count)
        var (end, names): (Int, [String]) = (0, [])
        var expected = [Float](repeating: 0, count: model.state.count)
        for (layer, hidden) in hidden.enumerated() {
            names.append("layers.\(layer).hidden")
            let name = "layers.\(layer).rnn.initial_state"
            if let values = random.tensors.first(where: { $0.name == name })?.values {
                expected.replaceSubrange(end..<end + values.count, with: values)
            }
            if window > 0 { names.append("layers.\(layer).window") }
            end += hidden + window
        }
        #expect(model.state.last == end)
        let tensors = model.state.tensors
        #expect(tensors.map(\.name) == names + ["last"])
        #expect(tensors.allSatisfy { $0.shape.reduce(1, *) == $0.range.count })
        #expect(zip(tensors, tensors.dropFirst()).allSatisfy { $0.range.upperBound == $1.range.lowerBound })
        #expect(tensors.first?.range.lowerBound == 0 && tensors.last?.range.upperBound == model.state.count)
        #expect(model.initialState == expected)
        #expect(model.parameters == random.tensors.reduce(0) { $0 + $1.values.count })
    }

    @Test("the same files give the same fingerprint, wherever they lie") func equal() throws {
        let (a, b) = (try RandomModel().load().model, try RandomModel().load().model)
        #expect(a.fingerprint == b.fingerprint)
        #expect(a.fingerprint.count == 64 && a.fingerprint.allSatisfy { "0123456789abcdef".contains($0) })
    }

    @Test("one bit of one weight, or one choice of the configuration, changes the fingerprint") func different() throws
    {
        let model = RandomModel()
        var seen: Set = [try model.load().model.fingerprint]
        for index in model.tensors.indices {
            var tensors = model.tensors
            tensors[index].values[0] = Float(bitPattern: tensors[index].values[0].bitPattern ^ 1)
            #expect(seen.insert(try load(model.configuration, tensors).model.fingerprint).inserted)
        }
        for (from, to) in [
            ("log-space", "vanilla"), ("paper", "minGRU-pytorch"), ("1e-6", "2e-6"), ("1e-6", "1.0000001e-6"),
        ] {
            let text = model.configuration.replacing(from, with: to)
            #expect(seen.insert(try load(text, model.tensors).model.fingerprint).inserted, "\(to)")
        }
    }
}
