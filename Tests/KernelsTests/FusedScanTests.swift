import Glibc
import TestSupport
import Testing

@testable import Kernels

/// A recurrent layer with random weights and the paper's equations in double precision.
struct ScanCase {
    var random: SeededGenerator
    let cell: MinimalCell
    let candidate: Candidate
    let channels: Int
    let inputs: Int
    let weights: [[[Float]]]
    let biases: [[Float]?]
    let scan: any CellKernel

    /// Gate biases are drawn from −`reach` … `reach`.
    init(seed: UInt64, reach: Float = 1, channels wanted: Int? = nil, inputs wantedInputs: Int? = nil) {
        var random = SeededGenerator(seed: seed)
        cell = seed % 2 == 0 ? .minGRU : .minLSTM
        candidate = seed / 2 % 2 == 0 ? .logSpace : .vanilla
        let (channels, inputs) = (
            wanted ?? Int.random(in: 1...40, using: &random),
            wantedInputs ?? Int.random(in: 1...30, using: &random)
        )
        let scale = 2 / Float(inputs).squareRoot()
        let weights = (0..<cell.parts).map { _ in
            (0..<channels).map { _ in (0..<inputs).map { _ in scale * random.float() } }
        }
        biases = (0..<cell.parts).map { part in
            if part == 0 && seed % 3 == 0 { return nil }
            return (0..<channels).map { _ in (part == 0 ? 1 : reach) * random.float() }
        }
        let (cell, candidate, biases) = (cell, candidate, biases)
        scan = TileWidth.of(seed).pack {
            cell.kernel(candidate, channels: channels, inputs: inputs, bias: biases) { $2 = weights[$0][$1] }
        }
        (self.channels, self.inputs, self.weights, self.random) = (channels, inputs, weights, random)
    }

    mutating func input() -> [Float] { (0..<inputs).map { _ in 2 * random.float() } }

    /// h after one step from `h`.
    func step(_ h: [Double], _ x: [Float]) -> [Double] {
        func sigmoid(_ x: Double) -> Double { 1 / (1 + Glibc.exp(-x)) }
        func softplus(_ x: Double) -> Double { max(x, 0) + Glibc.log1p(Glibc.exp(-abs(x))) }
        return (0..<channels).map { channel in
            func part(_ part: Int) -> Double {
                var sum = Double(biases[part]?[channel] ?? 0)
                for k in 0..<inputs { sum += Double(weights[part][channel][k]) * Double(x[k]) }
                return sum
            }
            let linear = part(0)
            let new = candidate == .vanilla ? linear : linear >= 0 ? linear + 0.5 : sigmoid(linear)
            if cell == .minGRU {
                let z = sigmoid(part(1))
                return (1 - z) * h[channel] + z * new
            }
            let difference = softplus(-part(1)) - softplus(-part(2))
            return sigmoid(-difference) * h[channel] + sigmoid(difference) * new
        }
    }
}

@Suite("Minimal cells: the recurrence against double precision")
struct FusedScanTests {
    @Test("interleaved sequences follow the paper's equations", arguments: 0..<80)
    func reference(seed: Int) {
        var layer = ScanCase(seed: UInt64(seed), reach: seed % 4 == 0 ? 100 : 3)
        let (count, offset) = (5, seed % 7)
        let states = Matrix(rows: count, columns: offset + layer.channels + 3)
        var expected = (0..<count).map { _ in (0..<layer.channels).map { _ in Double(layer.random.float()) } }
        for sequence in 0..<count {
            states.set(sequence, to: [Float](repeating: 77, count: states.columns))
            states.set(sequence, from: offset, to: expected[sequence].map { Float($0) })
        }
        var worst = 0.0
        for batch in 0..<6 {
            let sequences = (0..<(1 + batch * 4)).map { _ in Int.random(in: 0..<count, using: &layer.random) }
            let x = Matrix(rows: sequences.count, columns: layer.inputs)
            let hidden = Matrix(rows: sequences.count, columns: layer.channels)
            let inputs = sequences.map { _ in layer.input() }
            for row in sequences.indices { x.set(row, to: inputs[row]) }
            layer.scan.apply(x, sequences: sequences, states: states, at: offset, into: hidden)
            for (row, sequence) in sequences.enumerated() {
                expected[sequence] = layer.step(expected[sequence], inputs[row])
                for channel in 0..<layer.channels {
                    let truth = expected[sequence][channel]
                    worst = max(worst, abs(Double(hidden[row, channel]) - truth) / max(1, abs(truth)))
                }
            }
        }
        // A gate near ±100 moves by 100 float32 units of the last place, which the sigmoid's tails do not see.
        #expect(worst < 2e-5)
        for sequence in 0..<count {
            let row = states.values(sequence)
            #expect(row[..<offset].allSatisfy { $0 == 77 } && row[(offset + layer.channels)...].allSatisfy { $0 == 77 })
            for channel in 0..<layer.channels {
                #expect(abs(Double(row[offset + channel]) - expected[sequence][channel]) < 1e-4)
            }
        }
    }

    @Test("gates at ±100 and far beyond choose, they never make NaN", arguments: [Float(30), 89, 100, 1e4, 1e30, 3e38])
    func saturatedGates(size: Float) {
        for (forget, input, kept) in [(size, -size, 1.0), (-size, size, 0.0), (size, size, 0.5), (-size, -size, 0.5)] {
            let scan = MinLSTM(
                candidate: .vanilla, isNormalised: true, channels: 9, inputs: 1,
                bias: [nil, [Float](repeating: forget, count: 9), [Float](repeating: input, count: 9)]
            ) { part, _, row in row = [part == 0 ? 3 : 0] }
            let (x, states, hidden) = (
                Matrix(rows: 1, columns: 1), Matrix(rows: 1, columns: 9), Matrix(rows: 1, columns: 9)
            )
            x[0, 0] = 1
            states.set(0, to: [Float](repeating: -7, count: 9))
            scan.apply(x, sequences: [0], states: states, at: 0, into: hidden)
            for channel in 0..<9 { #expect(abs(Double(hidden[0, channel]) - (3 - 10 * kept)) < 1e-5) }
        }
        for (gate, expected) in [(size, Float(3)), (-size, -7)] {
            let scan = MinGRU(candidate: .vanilla, channels: 1, inputs: 1, bias: [nil, [gate]]) { part, _, row in
                row = [part == 0 ? 3 : 0]
            }
            let (x, states, hidden) = (
                Matrix(rows: 1, columns: 1), Matrix(rows: 1, columns: 1), Matrix(rows: 1, columns: 1)
            )
            x[0, 0] = 1
            states[0, 0] = -7
            scan.apply(x, sequences: [0], states: states, at: 0, into: hidden)
            #expect(abs(hidden[0, 0] - expected) < 1e-5)
        }
    }

    @Test("a closed minGRU gate keeps the state to the bit, an open one forgets it") func extremesOfTheGate() {
        let scan = MinGRU(candidate: .vanilla, channels: 3, inputs: 1, bias: [nil, nil]) {
            part, channel, row in row = [part == 0 ? 0.3 : [-200, 200, 0][channel]]
        }
        let (x, states, hidden) = (
            Matrix(rows: 1, columns: 1), Matrix(rows: 1, columns: 3), Matrix(rows: 1, columns: 3)
        )
        x[0, 0] = 1
        states.set(0, to: [0.1, 0.1, 0.1])
        for _ in 0..<1000 { scan.apply(x, sequences: [0], states: states, at: 0, into: hidden) }
        #expect(states[0, 0] == 0.1 && states[0, 1] == 0.3)
        #expect(abs(states[0, 2] - 0.3) < 1e-7)
    }

    @Test("more rows and more inputs than one block of each give the bytes of single rows", arguments: [0, 1])
    func manyBlocks(seed: Int) {
        var layer = ScanCase(seed: UInt64(seed), channels: 9, inputs: 2 * Panels.blockInputs + 5)
        let rows = 3 * Panels.blockRows + 7
        let (x, hidden) = (Matrix(rows: rows, columns: layer.inputs), Matrix(rows: rows, columns: 9))
        let (states, alone) = (Matrix(rows: 1, columns: 9), Matrix(rows: 1, columns: 9))
        let (one, expected) = (Matrix(rows: 1, columns: layer.inputs), Matrix(rows: 1, columns: 9))
        for row in 0..<rows { x.set(row, to: layer.input()) }
        layer.scan.apply(x, sequences: Array(repeating: 0, count: rows), states: states, at: 0, into: hidden)
        for row in 0..<rows {
            one.set(0, to: x.values(row))
            layer.scan.apply(one, sequences: [0], states: alone, at: 0, into: expected)
            #expect(hidden.values(row) == expected.values(0), "row \(row)")
        }
        #expect(states.values(0) == alone.values(0))
    }

    @Test("a sequence does not notice NaN in another one of its batch", arguments: 0..<24)
    func independence(seed: Int) {
        var layer = ScanCase(seed: UInt64(500 + seed))
        let inputs = (0..<13).map { _ in layer.input() }
        let alone = Matrix(rows: 1, columns: layer.channels)
        let x = Matrix(rows: 1, columns: layer.inputs)
        let one = Matrix(rows: 1, columns: layer.channels)
        for input in inputs {
            x.set(0, to: input)
            layer.scan.apply(x, sequences: [0], states: alone, at: 0, into: one)
        }
        let states = Matrix(rows: 3, columns: layer.channels)
        let (batch, hidden) = (Matrix(rows: 39, columns: layer.inputs), Matrix(rows: 39, columns: layer.channels))
        let order = (0..<39).map { $0 % 3 }
        for row in 0..<39 {
            let bad: Float = row % 3 == 0 ? .nan : .infinity
            batch.set(row, to: row % 3 == 1 ? inputs[row / 3] : [Float](repeating: bad, count: layer.inputs))
        }
        layer.scan.apply(batch, sequences: order, states: states, at: 0, into: hidden)
        #expect(states.values(1).map(\.bitPattern) == alone.values(0).map(\.bitPattern))
        #expect(!states.isFinite(0))
    }
}
