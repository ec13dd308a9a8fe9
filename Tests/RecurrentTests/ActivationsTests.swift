import Kernels
import TestSupport
import Testing

@testable import Recurrent

@Suite("Activations that models share")
struct ActivationsTests {
    /// Leaves something in every place that another model might have left.
    private func spoil(_ activations: Activations, _ value: Float) throws {
        let memory = try #require(activations.memory)
        let columns = (memory.bytes / 64 - 2) * 16
        let all = Matrix(rows: 1, columns: columns, in: memory)
        all.set(0, to: [Float](repeating: value, count: columns))
    }

    @Test("whatever others have left, a batch gives the same bytes, also in the memory of a model that came later")
    func spoilt() throws {
        let values: [Float] = [.nan, .infinity, 3e38, -Float.leastNonzeroMagnitude]
        for seed in UInt64(300)..<330 {
            let models = try (0..<2).map { try RandomModel(seed: seed + $0).load().model }
            let activations = Activations()
            var workspaces: [Workspace] = []
            let inputs = models.map { Inputs(for: $0, count: 40, seed: seed) }
            let alone = zip(models, inputs).map { $0.stepped($1, count: 40) }
            var done = [0, 0]
            while done != [40, 40] {
                for index in 0..<2 {
                    // The second comes when the first has begun.
                    if workspaces.count == index {
                        workspaces.append(Workspace(models[index], rows: 17, sequences: 2, in: activations))
                        workspaces[index].reset(1)
                    }
                    let count = min(40 - done[index], [1, 17, 6][(done[index] + index) % 3])
                    workspaces[index].clear()
                    try spoil(activations, values[(done[0] + done[1]) % values.count])
                    for step in done[index]..<done[index] + count {
                        inputs[index].append(step, to: workspaces[index], 1)
                    }
                    models[index].advance(workspaces[index])
                    models[index].outputs(workspaces[index], rows: Array(0..<count))
                    for row in 0..<count {
                        #expect(workspaces[index].outputs.values(row) == alone[index].outputs[done[index] + row])
                    }
                    done[index] += count
                }
            }
            for index in 0..<2 {
                #expect(workspaces[index].states.values(1).map(\.bitPattern) == alone[index].state.map(\.bitPattern))
            }
        }
    }

    @Test("an associative scan does not see what others have left") func associative() throws {
        for seed in UInt64(400)..<410 {
            let model = try RandomModel(seed: seed).load().model
            let inputs = Inputs(for: model, count: 150, seed: seed)
            let states = try [Float?.none, .nan, .infinity].map { value in
                let activations = Activations()
                let workspace = Workspace(model, rows: 150, sequences: 1, in: activations)
                workspace.reset(0)
                if let value { try spoil(activations, value) }
                for step in 0..<150 { inputs.append(step, to: workspace, 0) }
                workspace.useAssociativeScan(firstStep: 0)
                model.advance(workspace)
                return workspace.states.values(0).map(\.bitPattern)
            }
            #expect(states[0] == states[1] && states[0] == states[2])
        }
    }

    @Test("held is what was touched at most, and nothing after it is given back") func held() throws {
        let models = try (0..<20).map { try RandomModel(seed: 500 + $0).load().model }
        let activations = Activations()
        let workspaces = models.map { Workspace($0, rows: 512, sequences: 448, in: activations) }
        #expect(activations.heldBytes == 0 && activations.memory!.residentBytes == 0)
        func use(_ count: Int) {
            for (model, workspace) in zip(models, workspaces) {
                let inputs = Inputs(for: model, count: count, seed: 1)
                workspace.reset(0)
                workspace.clear()
                for step in 0..<count { inputs.append(step, to: workspace, 0) }
                model.advance(workspace)
                model.outputs(workspace, rows: Array(0..<count))
            }
        }
        for count in [1, 100, 512] {
            use(count)
            let held = activations.heldBytes
            #expect(activations.memory!.residentBytes <= held)
            // One state each, and one workspace for all of them.
            let states = models.reduce(0) { $0 + $1.state.bytes.roundedUp(to: 4096) + 4096 }
            #expect(held <= states + activations.memory!.bytes)
            use(count)
            #expect(activations.heldBytes == held)
        }
        let largest = models.map { $0.activationBytes(rows: 512) }.max()!
        #expect(activations.memory!.bytes == largest)
        activations.giveBack()
        for workspace in workspaces { workspace.giveBackStates() }
        #expect(activations.heldBytes == 0 && activations.memory!.residentBytes == 0)
        use(3)
        #expect(activations.heldBytes > 0)
    }
}

extension Int {
    fileprivate func roundedUp(to multiple: Int) -> Int { (self + multiple - 1) / multiple * multiple }
}
