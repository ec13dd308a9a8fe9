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

extension GatedScan {
    func scan(_ x: Matrix, sequences: [Int], states: Matrix, at offset: Int, into hidden: Matrix) {
        var batch = Batch()
        for sequence in sequences { batch.append(sequence) }
        prepare(&batch, members: 1)
        scan(x, batch, states: states, at: offset, into: hidden, by: .init(), Scratch())
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
