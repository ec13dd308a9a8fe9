import Kernels
import Recurrent
import TestSupport
import Testing

@Suite("Golden: PyTorch's minGRU-pytorch with random weights")
struct GoldenTests {
    @Test("all eight variants are there") func variants() {
        #expect(Golden.models.count == 8)
    }

    @Test("logits agree within 1e-4 for 64 steps, and no config.json is needed", arguments: Golden.models)
    func logits(name: String) throws {
        let folder = try ModelFolder(path: Golden.folder + "/" + name)
        let (tokens, expected) = try Golden.expectation(of: name)
        #expect(tokens.count == 64)
        let workspace = Workspace(folder.model, rows: 64, sequences: 1)
        workspace.reset(0)
        for token in tokens { workspace.append(token: token, to: 0) }
        folder.model.advance(workspace)
        folder.model.outputs(workspace, rows: Array(0..<64))
        var largest: Float = 0
        for (row, logits) in expected.enumerated() {
            for (column, logit) in logits.enumerated() {
                largest = max(largest, abs(workspace.outputs[row, column] - logit))
            }
        }
        #expect(largest < 1e-4)
    }
}
