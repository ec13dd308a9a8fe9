import TestSupport
import Testing
import Threading

@testable import Kernels

/// A kernel with a team and memory for batches of up to `rows` rows.
final class KernelRun: Teamwork {
    private let kernel: any CellKernel
    private let team: Team?
    private let scratch: [Scratch]
    private let (x, y): (Matrix, Matrix)
    private let work: [Matrix]
    private let offset: Int
    private var batch = Batch()
    let states: Matrix

    init(_ kernel: any CellKernel, rows: Int, sequences: Int, threads: Int, offset: Int = 0) {
        (self.kernel, self.offset) = (kernel, offset)
        team = threads > 1 ? Team(threads: threads) : nil
        scratch = (0..<threads).map { _ in Scratch() }
        (x, y) = (Matrix(rows: rows, columns: kernel.inputs), Matrix(rows: rows, columns: kernel.outputs))
        work = kernel.work(rows: rows)
        states = Matrix(rows: sequences, columns: offset + kernel.stateSizes.reduce(0, +) + 3)
    }

    func work(as member: borrowing Team.Member) {
        kernel.apply(x, batch, states: states, at: offset, into: y, work: work, by: member, scratch[member.index])
    }

    /// The outputs of rows of (sequence, input).
    func run(_ rows: [(sequence: Int, input: [Float])]) -> [[Float]] {
        batch.clear()
        for (row, entry) in rows.enumerated() {
            x.set(row, to: entry.input)
            batch.append(entry.sequence)
        }
        kernel.prepare(&batch, members: scratch.count)
        if let team { team.run(self) } else { Team.runAlone(self) }
        return rows.indices.map { y.values($0) }
    }
}

@Suite("Cells whose gates see the state")
struct FeedbackScanTests {
    /// Mostly one or two: members that outnumber the cores wait for the scheduler at every step.
    private static func threads(_ seed: Int) -> Int { seed % 6 == 5 ? 3 + seed / 6 % 2 : 1 + seed % 2 }

    /// Rows of sequences of random lengths, one sequence after the other or all of them mixed.
    static func rows(_ layer: inout CellCase, sequences: Int, longest: Int, isMixed: Bool) -> [(Int, [Float])] {
        var order: [Int] = []
        for sequence in 0..<sequences {
            let length = Int.random(in: 0...longest, using: &layer.random)
            order += [Int](repeating: sequence, count: length)
        }
        if isMixed { order.shuffle(using: &layer.random) }
        return order.map { ($0, layer.input()) }
    }

    @Test(
        "ragged batches follow torch's and ParaRNN's equations in double precision, on one to four threads",
        arguments: SequentialCell.allCases, 0..<12)
    func reference(cell: SequentialCell, seed: Int) {
        let type = WeightType.allCases[seed / 4 % 3]
        var layer = CellCase(cell, seed: UInt64(seed), type)
        let (count, offset) = (1 + seed % 9, seed % 7)
        let run = KernelRun(layer.kernel, rows: 200, sequences: count, threads: Self.threads(seed), offset: offset)
        var expected = (0..<count).map { _ in layer.state().map { Double($0) } }
        for sequence in 0..<count {
            run.states.set(sequence, to: [Float](repeating: 77, count: run.states.columns))
            run.states.set(sequence, from: offset, to: expected[sequence].map { Float($0) })
        }
        var worst = 0.0
        for batch in 0..<5 {
            let rows = Self.rows(
                &layer, sequences: count, longest: 1 + batch * 5, isMixed: batch % 2 == 1 && !cell.isDiagonal)
            for (output, (sequence, input)) in zip(run.run(rows), rows) {
                expected[sequence] = layer.step(expected[sequence], input)
                for (value, truth) in zip(output, expected[sequence]) {
                    worst = max(worst, abs(Double(value) - truth) / max(1, abs(truth)))
                }
            }
        }
        #expect(worst < 2e-5)
        for sequence in 0..<count {
            let row = run.states.values(sequence)
            #expect(row[..<offset].allSatisfy { $0 == 77 } && row.suffix(3).allSatisfy { $0 == 77 })
            for (value, truth) in zip(row[offset...], expected[sequence]) {
                #expect(abs(Double(value) - truth) < 5e-5 * max(1, abs(truth)))
            }
        }
    }

    @Test(
        "every batch gives the bytes of single steps, for all weight types, on one to four threads",
        arguments: SequentialCell.allCases, 0..<12)
    func oneAnswer(cell: SequentialCell, seed: Int) {
        let type = WeightType.allCases[seed % 3]
        var layer = CellCase(cell, seed: UInt64(100 + seed), type, channels: seed == 0 ? 200 : nil)
        let count = 1 + Int.random(in: 0..<20, using: &layer.random)
        let alone = KernelRun(layer.kernel, rows: 1, sequences: count, threads: 1)
        let batched = KernelRun(layer.kernel, rows: 400, sequences: count, threads: Self.threads(seed))
        for sequence in 0..<count {
            let state = layer.state()
            alone.states.set(sequence, to: state)
            batched.states.set(sequence, to: state)
        }
        for batch in 0..<4 {
            let rows = Self.rows(
                &layer, sequences: count, longest: [1, 2, 7, 20][batch], isMixed: batch == 2 && !cell.isDiagonal)
            let expected = rows.map { alone.run([$0])[0] }
            let outputs = batched.run(rows)
            var wrong = 0
            for (output, truth) in zip(outputs, expected) where output.map(\.bitPattern) != truth.map(\.bitPattern) {
                wrong += 1
            }
            #expect(wrong == 0, "of \(rows.count) rows")
            for sequence in 0..<count {
                let size = layer.stateSize
                #expect(batched.states.values(sequence)[..<size] == alone.states.values(sequence)[..<size])
            }
        }
    }

    @Test("more sequences and wider layers than one block of each give the bytes of single steps")
    func manyBlocks() {
        var layer = CellCase(.gru, seed: 5, channels: Panels.blockInputs + 5, inputs: 3)
        let count = Panels.blockRows + 9
        let alone = KernelRun(layer.kernel, rows: 1, sequences: count, threads: 1)
        let batched = KernelRun(layer.kernel, rows: 2 * count, sequences: count, threads: 2)
        let rows = (0..<2 * count).map { ($0 % count, layer.input()) }
        let outputs = batched.run(rows)
        for (row, output) in zip(rows, outputs) { #expect(alone.run([row])[0] == output) }
    }

    @Test("a sequence does not notice NaN and infinity in others of its batch", arguments: SequentialCell.allCases)
    func independence(cell: SequentialCell) {
        var layer = CellCase(cell, seed: 40)
        let alone = KernelRun(layer.kernel, rows: 1, sequences: 3, threads: 1)
        let batched = KernelRun(layer.kernel, rows: 39, sequences: 3, threads: 2)
        let bad: [Float] = [.nan, 0, .infinity]
        let rows = (0..<39).map { row in
            let sequence = cell.isDiagonal ? row / 13 : row % 3
            return (sequence, sequence == 1 ? layer.input() : [Float](repeating: bad[sequence], count: layer.inputs))
        }
        let outputs = batched.run(rows)
        for (row, output) in zip(rows, outputs) where row.0 == 1 {
            #expect(alone.run([row])[0].map(\.bitPattern) == output.map(\.bitPattern))
        }
        #expect(batched.states.values(1) == alone.states.values(1))
        #expect(outputs[rows.lastIndex { $0.0 == 0 }!].contains { $0.isNaN })
    }

    @Test("gates that are saturated choose, they never make NaN", arguments: SequentialCell.allCases)
    func saturated(cell: SequentialCell) {
        let layer = CellCase(cell, seed: 41)
        let run = KernelRun(layer.kernel, rows: 4, sequences: 1, threads: 1)
        for size: Float in [1e4, 1e20] {
            let inputs = (0..<4).map { row in
                (0, (0..<layer.inputs).map { ($0 + row) % 2 == 0 ? size : -size })
            }
            let outputs = run.run(inputs)
            #expect(cell == .reluRNN || outputs.allSatisfy { $0.allSatisfy { abs($0) <= 40 } })
            if cell == .reluRNN { run.states.set(0, to: [Float](repeating: 0, count: run.states.columns)) }
        }
    }

    @Test("states of a cell are named by their sizes, and its only scan is sequential") func description() {
        let lstm = CellCase(.projectedLSTM, seed: 1)
        #expect(lstm.kernel.stateSizes == [lstm.hidden, lstm.channels] && lstm.kernel.outputs == lstm.hidden)
        for cell in SequentialCell.allCases { #expect(CellCase(cell, seed: 2).kernel.scans == [.sequential]) }
        let gru = CellCase(.gru, seed: 3, channels: 5, inputs: 7)
        #expect(gru.kernel.multiplyAdds == 3 * 5 * 12 && gru.kernel.stateSizes == [5])
    }
}

@Suite("The plan of a batch by steps")
struct StepPlanTests {
    @Test("has every row once, in order of time, running sequences first", arguments: 0..<60)
    func complete(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var plan = StepPlan()
        for _ in 0..<3 {
            let rows = (0..<Int.random(in: 0...40, using: &random)).map { _ in Int.random(in: 0..<9, using: &random) }
            plan.make(rows)
            #expect(plan.rows.sorted() == Array(rows.indices))
            var last = [Int](repeating: -1, count: 9)
            var running = Int.max
            for step in 0..<plan.count {
                #expect(plan.running(at: step) <= running && plan.running(at: step) > 0)
                running = plan.running(at: step)
                for slot in 0..<running {
                    let row = plan.rows[plan.starts[step] + slot]
                    #expect(rows[row] == plan.sequences[slot] && row > last[rows[row]])
                    last[rows[row]] = row
                }
            }
            #expect(plan.running(at: plan.count) == 0 && Set(plan.sequences) == Set(rows))
        }
    }
}
