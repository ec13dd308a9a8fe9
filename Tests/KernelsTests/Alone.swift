import Threading

@testable import Kernels

// Kernels as one thread runs them, by itself.

extension PackedMatrix {
    func multiply(_ x: Matrix, rows: Int, into y: Matrix) { multiply(x, rows: rows, into: y, by: .init(), Scratch()) }
    func multiplyGELU(_ x: Matrix, rows: Int, into y: Matrix) {
        multiplyGELU(x, rows: rows, into: y, by: .init(), Scratch())
    }
    func multiplyAdding(_ x: Matrix, rows: Int, into y: Matrix) {
        multiplyAdding(x, rows: rows, into: y, by: .init(), Scratch())
    }
}

extension CellKernel {
    /// Matrices for batches of so many rows.
    func work(rows: Int) -> [Matrix] { workColumns.map { Matrix(rows: rows, columns: $0) } }

    func apply(_ x: Matrix, sequences: [Int], states: Matrix, at offset: Int, into hidden: Matrix) {
        var batch = Batch()
        for sequence in sequences { batch.append(sequence) }
        prepare(&batch, members: 1)
        apply(
            x, batch, states: states, at: offset, into: hidden, work: work(rows: sequences.count), by: .init(),
            Scratch())
    }
}

/// A cell without feedback, with one kind of gates.
enum MinimalCell: CaseIterable {
    case minGRU, minLSTM

    var parts: Int { self == .minGRU ? MinGRU.parts : MinLSTM.parts }

    func kernel(
        _ candidate: Candidate, channels: Int, inputs: Int, bias: [[Float]?],
        row: (_ part: Int, _ channel: Int, inout [Float]) -> Void
    ) -> any CellKernel {
        switch self {
        case .minGRU: MinGRU(candidate: candidate, channels: channels, inputs: inputs, bias: bias, row: row)
        case .minLSTM:
            MinLSTM(
                candidate: candidate, isNormalised: true, channels: channels, inputs: inputs, bias: bias, row: row)
        }
    }
}

extension DepthwiseConvolution {
    func apply(_ x: Matrix, sequences: [Int], states: Matrix, at offset: Int, into y: Matrix) {
        var batch = Batch()
        for sequence in sequences { batch.append(sequence) }
        apply(x, batch, states: states, at: offset, into: y, by: .init())
    }
}

extension Norm {
    func apply(_ x: Matrix, rows: Int, into y: Matrix) { apply(x, rows: rows, into: y, by: .init()) }
}

extension Matrix {
    func add(_ x: Matrix, rows: Int) { add(x, rows: rows, by: .init()) }
}
