import Foundation
import Kernels
import TestSupport
import Testing

@testable import Recurrent

@Suite("Golden: PyTorch's outputs of torch's and ParaRNN's cells, alone and in modules")
struct CellGoldenTests {
    @Test("every case is there") func cases() {
        #expect(Golden.cells.count >= 29 && Golden.started.count >= 2)
    }

    @Test("200 outputs and the last states agree within 1e-5", arguments: Golden.cells + Golden.started)
    func outputs(name: String) throws {
        let path = Golden.path(of: name)
        let model = try ModelFolder(path: path).model
        let (inputs, expected) = try Golden.expectation(of: name)
        #expect(inputs.count == expected.count && inputs.count == 200)
        let workspace = Workspace(model, rows: 200, sequences: 1)
        workspace.reset(0)
        if let hidden = try Golden.tensor("initial_hidden", of: name) {
            var tensors = [("h_n", hidden.shape, hidden.values)]
            if let cell = try Golden.tensor("initial_cell", of: name) {
                tensors.append(("c_n", cell.shape, cell.values))
            }
            let start = try #require(StartingState(parsing: [UInt8](Safetensors.data(tensors))))
            workspace.states.set(0, to: try start.values(for: model))
        }
        for step in 0..<200 {
            switch inputs {
            case .tokens(let tokens): workspace.append(token: tokens[step], to: 0)
            case .vectors(let values, _):
                let size = values.count / 200
                workspace.append(vector: values, step * size..<(step + 1) * size, to: 0)
            }
        }
        model.advance(workspace)
        model.outputs(workspace, rows: Array(0..<200))
        var largest: Float = 0
        for (row, values) in expected.enumerated() {
            #expect(values.count == workspace.outputs.columns)
            for (column, value) in values.enumerated() {
                largest = max(largest, abs(workspace.outputs[row, column] - value))
            }
        }
        #expect(largest < 1e-5)

        let state = workspace.states.values(0)
        for (tensor, kind) in [("hidden", "hidden"), ("cell", "cell")] {
            guard let last = try Golden.tensor(tensor, of: name) else { continue }
            let found = model.state.parts.filter { $0.name.hasSuffix("." + kind) }.flatMap { state[$0.range] }
            #expect(found.count == last.values.count)
            let difference = zip(found, last.values).map { abs($0 - $1) }.max() ?? 0
            #expect(difference < 1e-5, "\(kind)")
        }
    }
}
