import Kernels
import Threading

/// The recurrent scan alone: gates, candidates and carry of one layer whose product has eight inputs only, so that it
/// weighs little.
final class BenchScan: BenchWork {
    private static let inputs = 8

    let kind = "scan"
    let size: BenchSize
    let scan: ScanMode
    let channels: Int?
    let multiplyAdds: Int? = nil
    private let layer: MinGRU
    private let team: Team
    private let rows: Int
    private let x: Matrix
    private let states: Matrix
    private let hidden: Matrix
    private let work: [Matrix]
    private let scratch: [Scratch]
    private var batch = Batch()

    init(_ size: BenchSize, channels: Int, rows: Int, scan: ScanMode, _ team: Team) {
        (self.size, self.channels, self.rows, self.scan, self.team) = (size, channels, rows, scan, team)
        var random = BenchRandom(seed: 3)
        layer = MinGRU(candidate: .logSpace, channels: channels, inputs: Self.inputs, bias: [nil, nil]) {
            _, _, weights in
            for index in weights.indices { weights[index] = Float.random(in: -0.6...0.6, using: &random) }
        }
        x = Matrix(rows: rows, columns: Self.inputs)
        for row in 0..<rows { x.set(row, to: (0..<Self.inputs).map { _ in Float.random(in: -1...1, using: &random) }) }
        states = Matrix(rows: size.sequences, columns: channels)
        hidden = Matrix(rows: rows, columns: channels)
        work = layer.workColumns.map { Matrix(rows: rows, columns: $0) }
        scratch = (0..<team.count).map { _ in Scratch() }
    }

    func begin() -> Double {
        let beginning = min(size.steps, max(Batch.scanBlock, 2 * rows / size.sequences))
        absorb(steps: beginning)
        return Double(beginning) / Double(size.steps)
    }

    func run() { absorb(steps: size.steps) }

    private func absorb(steps: Int) {
        var cursor = BenchCursor(BenchSize(size.sequences, steps), rows: rows, scan: scan)
        batch.clear()
        while cursor.next({ sequence, steps in
            for _ in steps { batch.append(sequence) }
            if scan == .associative { batch.useAssociativeScan(firstStep: steps.lowerBound) }
        }) {
            layer.prepare(&batch, members: team.count)
            team.run(self)
            batch.clear()
        }
    }
}

extension BenchScan: Teamwork {
    /// One member's part of a batch.
    func work(as member: borrowing Team.Member) {
        layer.apply(x, batch, states: states, at: 0, into: hidden, work: work, by: member, scratch[member.index])
    }
}
