import TestSupport
import Testing

@testable import Kernels

@Suite("Norm against double precision")
struct NormTests {
    private func reference(_ x: [Float], _ kind: Norm.Kind, _ epsilon: Float, _ weight: [Float], _ bias: [Float])
        -> [Double]
    {
        let values = x.map { Double($0) }
        let mean = kind == .rms ? 0 : values.reduce(0, +) / Double(values.count)
        let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
        let scale = 1 / (square + Double(epsilon)).squareRoot()
        return values.indices.map { (values[$0] - mean) * scale * Double(weight[$0]) + Double(bias[$0]) }
    }

    @Test("both kinds agree within 4e-6 at every width, in place and with garbage in the padding", arguments: 1...50)
    func precision(width: Int) {
        var random = SeededGenerator(seed: UInt64(width))
        for kind in [Norm.Kind.rms, .layer] {
            for (scale, shift) in [(Float(1), Float(0)), (1e-3, 0), (50, 3), (1e8, 0)] {
                let weight = (0..<width).map { _ in 1 + 0.5 * random.float() }
                let bias = kind == .rms ? nil : (0..<width).map { _ in random.float() }
                let norm = Norm(kind: kind, epsilon: 1e-6, weight: weight, bias: bias)
                let (x, y) = (Matrix(rows: 3, columns: width), Matrix(rows: 3, columns: width))
                let rows = (0..<3).map { _ in (0..<width).map { _ in shift + scale * random.float() } }
                for row in 0..<3 {
                    for column in width..<max(width, x.stride) { unsafe x.base[row * x.stride + column] = .nan }
                    x.set(row, to: rows[row])
                }
                norm.apply(x, rows: 3, into: y)
                norm.apply(x, rows: 3, into: x)
                for row in 0..<3 {
                    #expect(x.values(row).map(\.bitPattern) == y.values(row).map(\.bitPattern))
                    let zeros = [Float](repeating: 0, count: width)
                    let expected = reference(rows[row], kind, 1e-6, weight, bias ?? zeros)
                    for column in 0..<width {
                        let error = abs(Double(y[row, column]) - expected[column])
                        #expect(error < 4e-6 * max(1, abs(expected[column])) || width == 1 && kind == .layer)
                    }
                }
            }
        }
    }

    @Test("a layer norm of equal values is its bias, an RMS norm of zeros is zero", arguments: [1, 3, 8, 21])
    func constants(width: Int) {
        let bias = (0..<width).map { Float($0) }
        let layer = Norm(kind: .layer, epsilon: 1e-5, weight: [Float](repeating: 1, count: width), bias: bias)
        let rms = Norm(kind: .rms, epsilon: 1e-5, weight: [Float](repeating: 1, count: width))
        let x = Matrix(rows: 1, columns: width)
        rms.apply(x, rows: 1, into: x)
        #expect(x.values(0).allSatisfy { $0 == 0 })
        x.set(0, to: [Float](repeating: 0.75, count: width))
        layer.apply(x, rows: 1, into: x)
        #expect(x.values(0) == bias)
    }

    @Test("a row of ten thousand values keeps its precision") func wide() {
        var random = SeededGenerator(seed: 4)
        let values = (0..<10_001).map { _ in 1 + random.float() }
        let ones = [Float](repeating: 1, count: 10_001)
        let x = Matrix(rows: 1, columns: 10_001)
        x.set(0, to: values)
        Norm(kind: .rms, epsilon: 1e-6, weight: ones).apply(x, rows: 1, into: x)
        let expected = reference(values, .rms, 1e-6, ones, [Float](repeating: 0, count: 10_001))
        let worst = zip(x.values(0), expected).map { abs(Double($0) - $1) }.max()!
        #expect(worst < 2e-5)
    }

    @Test("a row does not notice NaN in another, and rows past the asked ones stay") func independence() {
        let norm = Norm(kind: .layer, epsilon: 1e-5, weight: [1, 2, 3])
        let (x, y) = (Matrix(rows: 3, columns: 3), Matrix(rows: 3, columns: 3))
        for (row, first) in [Float.nan, 1, .infinity].enumerated() { x.set(row, to: [first, 2, 4]) }
        y.set(2, to: [9, 9, 9])
        norm.apply(x, rows: 2, into: y)
        #expect(y.isFinite(1) && !y.isFinite(0) && y.values(2) == [9, 9, 9])
    }
}
