import Kernels
import TestSupport
import Testing
import Threading

@testable import Recurrent

@Suite("One answer: the same inputs give the same bytes however they are batched")
struct OneAnswerTests {
    @Test("a whole prefill equals single steps to the bit", arguments: RandomModel.cells, 0..<8)
    func prefill(cell: String, seed: Int) throws {
        let model = try RandomModel(cell, seed: UInt64(seed)).load().model
        let inputs = Inputs(for: model, count: 50, seed: 5)
        let (outputs, state) = model.stepped(inputs, count: 50)
        let workspace = Workspace(model, rows: 50, sequences: 1)
        workspace.reset(0)
        for index in 0..<50 { inputs.append(index, to: workspace, 0) }
        model.advance(workspace)
        model.outputs(workspace, rows: Array(0..<50))
        for row in 0..<50 { #expect(workspace.outputs.values(row) == outputs[row]) }
        #expect(workspace.states.values(0).map(\.bitPattern) == state.map(\.bitPattern))
        #expect(state.allSatisfy { $0.isFinite })
    }

    @Test(
        "any mixture, cut and order, with any weights on any number of threads, equals stepping each alone, to the bit",
        arguments: RandomModel.cells, 100..<116)
    func mixtures(cell: String, seed: Int) throws {
        let weights = WeightType.allCases[seed % 3]
        let model = try RandomModel(cell, seed: UInt64(seed)).load(weights: weights).model
        #expect(model.weights == weights)
        var random = SeededGenerator(seed: UInt64(seed))
        let lengths = (0..<7).map { _ in Int.random(in: 1...40, using: &random) }
        let sequences = lengths.indices.map { Inputs(for: model, count: lengths[$0], seed: UInt64($0)) }
        let alone = zip(sequences, lengths).map { model.stepped($0, count: $1) }

        // Mostly one or two: members that outnumber the cores wait for the scheduler at every step.
        let team = Team(threads: seed % 8 == 7 ? 3 + seed / 8 % 2 : 1 + seed / 3 % 2)
        let workspace = Workspace(model, rows: 31, sequences: 7, team: team)
        workspace.worthSharing = 0
        for sequence in 0..<7 { workspace.reset(sequence) }
        var done = [Int](repeating: 0, count: 7)
        while done != lengths {
            workspace.clear()
            var wanted: [(row: Int, sequence: Int, index: Int)] = []
            for sequence in (0..<7).shuffled(using: &random) {
                let room = min(workspace.capacity - workspace.batch.sequences.count, lengths[sequence] - done[sequence])
                for _ in 0..<Int.random(in: 0...max(0, room), using: &random) {
                    wanted.append((workspace.batch.sequences.count, sequence, done[sequence]))
                    sequences[sequence].append(done[sequence], to: workspace, sequence)
                    done[sequence] += 1
                }
            }
            model.advance(workspace)
            model.outputs(workspace, rows: wanted.map(\.row))
            for (position, want) in wanted.enumerated() {
                #expect(workspace.outputs.values(position) == alone[want.sequence].outputs[want.index])
            }
        }
        for sequence in 0..<7 {
            #expect(workspace.states.values(sequence).map(\.bitPattern) == alone[sequence].state.map(\.bitPattern))
        }
    }

    @Test("the output a state stands at is the output of its last step") func stateOutput() throws {
        for seed in 200..<220 {
            let model = try RandomModel(seed: UInt64(seed)).load().model
            let inputs = Inputs(for: model, count: 9, seed: 1)
            let workspace = Workspace(model, rows: 9, sequences: 1)
            workspace.reset(0)
            for index in 0..<9 { inputs.append(index, to: workspace, 0) }
            model.advance(workspace)
            model.outputs(workspace, rows: [8])
            let last = workspace.outputs.values(0)
            model.outputs(workspace, ofStates: [0])
            #expect(workspace.outputs.values(0) == last)
        }
    }
}
