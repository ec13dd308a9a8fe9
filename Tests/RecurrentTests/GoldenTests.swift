import Kernels
import Recurrent
import TestSupport
import Testing

@Suite("Golden: PyTorch's outputs of published checkpoints with random weights")
struct GoldenTests {
    @Test("eight variants of the package and twenty of all layouts are there") func variants() {
        #expect(Golden.packaged.count == 8 && Golden.published.count == 20)
    }

    @Test("outputs agree within 1e-4 at every step", arguments: Golden.models)
    func outputs(name: String) throws {
        let folder = try ModelFolder(path: Golden.path(of: name))
        let (inputs, expected) = try Golden.expectation(of: name)
        let count = inputs.count
        #expect(count == expected.count && count >= 48)
        let workspace = Workspace(folder.model, rows: count, sequences: 1)
        workspace.reset(0)
        for step in 0..<count {
            switch inputs {
            case .tokens(let tokens): workspace.append(token: tokens[step], to: 0)
            case .vectors(let values, _):
                let size = values.count / count
                workspace.append(vector: values, step * size..<(step + 1) * size, to: 0)
            }
        }
        folder.model.advance(workspace)
        folder.model.outputs(workspace, rows: Array(0..<count))
        var largest: Float = 0
        for (row, values) in expected.enumerated() {
            #expect(values.count == workspace.outputs.columns)
            for (column, value) in values.enumerated() {
                largest = max(largest, abs(workspace.outputs[row, column] - value))
            }
        }
        #expect(largest < 1e-4)
    }
}
