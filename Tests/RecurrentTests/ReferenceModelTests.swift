import Recurrent
import TestSupport
import Testing

@Suite("The model against a second implementation in double precision")
struct ReferenceModelTests {
    @Test("thirty steps of any architecture agree within 1e-4", arguments: RandomModel.cells, 300..<316)
    func forward(cell: String, seed: Int) throws {
        let random = RandomModel(cell, seed: UInt64(seed))
        // A layer norm of one value divides rounding noise by the square root of ε.
        guard random.widths.min()! > 2 || random.norm != "layer" else { return }
        let model = try random.load().model
        let inputs = Inputs(for: model, count: 30, seed: UInt64(seed))
        let outputs = model.stepped(inputs, count: 30).outputs
        var reference = ReferenceModel(random)
        var worst = 0.0
        for index in 0..<30 {
            let expected =
                switch inputs {
                case .tokens(let tokens): reference.step(token: tokens[index])
                case .vectors(let vectors): reference.step(vector: vectors[index])
                }
            #expect(expected.count == outputs[index].count)
            let size = max(1, expected.map(abs).max()!)
            for (found, truth) in zip(outputs[index], expected) {
                worst = max(worst, abs(Double(found) - truth) / size)
            }
        }
        #expect(worst < 1e-4, "\(random.configuration)")
    }
}
