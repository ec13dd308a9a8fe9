import Glibc
import TestSupport
import Testing
import Threading

@testable import Kernels

/// A recurrent layer whose gate and candidate are its two inputs, so that z and h̃ can be chosen at will: the gate of
/// channel c is shifted by a bias of its own.
private final class Long: Teamwork {
    let scan: any CellKernel
    let cell: MinimalCell
    /// Of each channel.
    let shifts: [Float]
    let channels: Int
    private let team: Team?
    private let scratch: [Scratch]
    private let (x, states, hidden): (Matrix, Matrix, Matrix)
    private let work: [Matrix]
    private var batch = Batch()

    init(_ cell: MinimalCell, shifts: [Float], rows: Int, threads: Int) {
        let channels = shifts.count
        (self.cell, self.shifts, self.channels) = (cell, shifts, channels)
        // An LSTM's i' is sigmoid(gate) where its forget gate is that of −gate.
        let biases: [[Float]?] =
            cell == .minGRU ? [nil, shifts] : [nil, shifts.map { -$0 }, shifts]
        scan = cell.kernel(.vanilla, channels: channels, inputs: 2, bias: biases) {
            part, channel, row in row = [[1, 0], [0, cell == .minGRU ? 1 : -1], [0, 1]][part]
        }
        team = threads > 1 ? Team(threads: threads) : nil
        scratch = (0..<threads).map { _ in Scratch() }
        (x, states) = (Matrix(rows: rows, columns: 2), Matrix(rows: 2, columns: channels))
        hidden = Matrix(rows: rows, columns: channels)
        work = scan.work(rows: rows)
    }

    func work(as member: borrowing Team.Member) {
        scan.apply(x, batch, states: states, at: 0, into: hidden, work: work, by: member, scratch[member.index])
    }

    /// Hidden states after each of `inputs` (candidate, gate), in batches of `size`; associative from step 0 or exact.
    func run(_ inputs: [(Float, Float)], size: Int, associative: Bool, visit: (_ step: Int, _ hidden: [Float]) -> Void)
    {
        states.set(0, to: [Float](repeating: 0.25, count: channels))
        for start in stride(from: 0, to: inputs.count, by: size) {
            batch.clear()
            let count = min(size, inputs.count - start)
            for row in 0..<count {
                x.set(row, to: [inputs[start + row].0, inputs[start + row].1])
                batch.append(0)
            }
            if associative { batch.useAssociativeScan(firstStep: start) }
            scan.prepare(&batch, members: scratch.count)
            if let team { team.run(self) } else { Team.runAlone(self) }
            for row in 0..<count { visit(start + row, hidden.values(row)) }
        }
    }
}

@Suite("The associative scan")
struct AssociativeScanTests {
    /// Gates whose z runs from 1e-4 to 1 over the channels.
    static let shifts: [Float] = (0..<64).map { channel in
        let z = Glibc.pow(10, -4 * Double(63 - channel) / 63)
        return channel == 63 ? 40 : Float(Glibc.log(z / (1 - z)))
    }

    static func inputs(_ count: Int) -> [(Float, Float)] {
        var random = SeededGenerator(seed: 9)
        return (0..<count).map { _ in (3 * random.float(), 0.2 * random.float()) }
    }

    @Test(
        "65,536 steps stay within 1e-5 of the largest |h| of the exact scan and of float64, for z from 1e-4 to 1",
        arguments: MinimalCell.allCases)
    func accuracy(cell: MinimalCell) {
        let inputs = Self.inputs(65_536)
        var exact: [[Float]] = []
        exact.reserveCapacity(inputs.count)
        let layer = Long(cell, shifts: Self.shifts, rows: 256, threads: 1)
        layer.run(inputs, size: 256, associative: false) { exact.append($1) }
        var truth = [Double](repeating: 0.25, count: 64)
        var largest = [Double](repeating: 0, count: 64)
        var (fromExact, fromTruth, exactFromTruth) = (largest, largest, largest)
        layer.run(inputs, size: 256, associative: true) { step, hidden in
            for channel in 0..<64 {
                let z = 1 / (1 + Glibc.exp(-Double(inputs[step].1 + Self.shifts[channel])))
                truth[channel] += z * (Double(inputs[step].0) - truth[channel])
                largest[channel] = max(largest[channel], abs(truth[channel]))
                let h = Double(hidden[channel])
                fromTruth[channel] = max(fromTruth[channel], abs(h - truth[channel]))
                fromExact[channel] = max(fromExact[channel], abs(h - Double(exact[step][channel])))
                exactFromTruth[channel] = max(
                    exactFromTruth[channel], abs(Double(exact[step][channel]) - truth[channel]))
            }
        }
        for channel in 0..<64 {
            #expect(fromTruth[channel] <= 1e-5 * largest[channel], "channel \(channel)")
            #expect(fromExact[channel] <= 1e-5 * largest[channel], "channel \(channel)")
            #expect(exactFromTruth[channel] <= 1e-5 * largest[channel], "channel \(channel)")
        }
    }

    @Test("gives the same bytes for any batches cut at blocks and on any number of threads", arguments: [1, 2, 3, 4])
    func oneAnswer(threads: Int) {
        let inputs = Self.inputs(1000)
        var expected: [[Float]] = []
        Long(.minGRU, shifts: Self.shifts, rows: 64, threads: 1).run(inputs, size: 64, associative: true) {
            expected.append($1)
        }
        for size in [64, 128, 320, 1024] {
            let layer = Long(.minGRU, shifts: Array(Self.shifts), rows: size, threads: threads)
            layer.run(inputs, size: size, associative: true) { step, hidden in
                #expect(hidden == expected[step], "step \(step), batches of \(size)")
            }
        }
    }

    @Test("a batch may mix it with exact scans, which do not notice") func mixture() {
        var random = SeededGenerator(seed: 4)
        let layer = ScanCase(seed: 12, channels: 37)
        let lengths = [70, 1, 130, 9]
        let inputs = lengths.map { length in
            (0..<length).map { _ in (0..<layer.inputs).map { _ in random.float() } }
        }
        let starts = (0..<4).map { _ in (0..<37).map { _ in random.float() } }
        func hidden(_ associative: [Bool], alone: Int? = nil) -> [[[Float]]] {
            let which = alone.map { [$0] } ?? Array(0..<4)
            let rows = which.reduce(0) { $0 + lengths[$1] }
            let (x, h) = (Matrix(rows: rows, columns: layer.inputs), Matrix(rows: rows, columns: 37))
            let states = Matrix(rows: 4, columns: 37)
            var batch = Batch()
            var row = 0
            for sequence in which {
                states.set(sequence, to: starts[sequence])
                for input in inputs[sequence] {
                    x.set(row, to: input)
                    batch.append(sequence)
                    row += 1
                }
                if associative[sequence] { batch.useAssociativeScan(firstStep: 7 * sequence) }
            }
            layer.scan.prepare(&batch, members: 1)
            layer.scan.apply(
                x, batch, states: states, at: 0, into: h, work: layer.scan.work(rows: rows), by: .init(), Scratch())
            row = 0
            return which.map { sequence in
                let end = states.values(sequence)
                let values = (0..<lengths[sequence]).map { h.values(row + $0) }
                row += lengths[sequence]
                #expect(values.last == end)
                return values
            }
        }
        let modes = [true, false, true, false]
        let together = hidden(modes)
        for sequence in 0..<4 { #expect(hidden(modes, alone: sequence)[0] == together[sequence]) }
        let exact = hidden([false, false, false, false])
        for sequence in 0..<4 {
            for (a, b) in zip(together[sequence], exact[sequence]) {
                for channel in 0..<37 { #expect(abs(a[channel] - b[channel]) < 1e-5) }
            }
        }
    }
}
