import Kernels
import Recurrent
import TestSupport

/// Inputs of one sequence, of whichever kind the model takes.
enum Inputs {
    case tokens([Int])
    case vectors([[Float]])

    init(for model: RecurrentModel, count: Int, seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        switch model.configuration.input {
        case .tokens(let size): self = .tokens((0..<count).map { _ in Int.random(in: 0..<size, using: &random) })
        case .vectors(let size):
            self = .vectors((0..<count).map { _ in (0..<size).map { _ in 2 * random.float() } })
        }
    }

    func append(_ index: Int, to workspace: Workspace, _ sequence: Int) {
        switch self {
        case .tokens(let tokens): workspace.append(token: tokens[index], to: sequence)
        case .vectors(let vectors): workspace.append(vector: vectors[index], to: sequence)
        }
    }
}

extension RecurrentModel {
    /// Outputs after each of `count` inputs and the final state, absorbed one step at a time.
    func stepped(_ inputs: Inputs, count: Int) -> (outputs: [[Float]], state: [Float]) {
        let workspace = Workspace(self, rows: 1, sequences: 1)
        workspace.reset(0)
        let outputs = (0..<count).map { index in
            workspace.clear()
            inputs.append(index, to: workspace, 0)
            advance(workspace)
            self.outputs(workspace, rows: [0])
            return workspace.outputs.values(0)
        }
        return (outputs, workspace.states.values(0))
    }
}
