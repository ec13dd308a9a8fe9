import TestSupport
import Testing

@testable import Kernels

@Suite("PackedMatrix: one chain of fused multiply-adds per element")
struct PackedMatrixTests {
    /// A product with random weights, and what it must give.
    struct Case {
        var random: SeededGenerator
        let outputs: Int
        let inputs: Int
        let weights: [[Float]]
        let bias: [Float]?
        let packed: PackedMatrix

        init(seed: UInt64) {
            var random = SeededGenerator(seed: seed)
            let (outputs, inputs) = (Int.random(in: 1...70, using: &random), Int.random(in: 1...70, using: &random))
            let weights = (0..<outputs).map { _ in (0..<inputs).map { _ in random.float() } }
            bias = Bool.random(using: &random) ? (0..<outputs).map { _ in random.float() } : nil
            packed = PackedMatrix(outputs: outputs, inputs: inputs, bias: bias) { $1 = weights[$0] }
            (self.outputs, self.inputs, self.weights, self.random) = (outputs, inputs, weights, random)
        }

        func product(_ x: [Float], _ output: Int) -> Float {
            var sum: Float = 0
            for k in 0..<inputs { sum = sum.addingProduct(x[k], weights[output][k]) }
            return sum + (bias?[output] ?? 0)
        }
    }

    @Test("every variant equals the scalar chain to the bit, for random shapes", arguments: 0..<120)
    func chain(seed: Int) {
        var product = Case(seed: UInt64(seed))
        let rows = 1 + seed % 20
        let (x, y) = (Matrix(rows: rows, columns: product.inputs), Matrix(rows: rows, columns: product.outputs))
        let inputs = (0..<rows).map { _ in (0..<product.inputs).map { _ in 3 * product.random.float() } }
        let before = (0..<rows).map { _ in (0..<product.outputs).map { _ in product.random.float() } }
        for row in 0..<rows { x.set(row, to: inputs[row]) }
        func wrong(_ name: String, _ expected: (Int, Int) -> Float) -> [String] {
            var wrong: [String] = []
            for row in 0..<rows {
                for output in 0..<product.outputs where !same(y[row, output], expected(row, output)) {
                    wrong.append("\(name) (\(row), \(output)): \(y[row, output]) for \(expected(row, output))")
                }
            }
            return wrong
        }
        product.packed.multiply(x, rows: rows, into: y)
        #expect(wrong("plain") { product.product(inputs[$0], $1) }.isEmpty)
        product.packed.multiplyGELU(x, rows: rows, into: y)
        #expect(wrong("GELU") { scalar(gelu, product.product(inputs[$0], $1)) }.isEmpty)
        for row in 0..<rows { y.set(row, to: before[row]) }
        product.packed.multiplyAdding(x, rows: rows, into: y)
        #expect(wrong("adding") { before[$0][$1] + product.product(inputs[$0], $1) }.isEmpty)
    }

    @Test("a row does not notice NaN or infinity in the other rows, nor garbage in padding", arguments: 0..<40)
    func independence(seed: Int) {
        var product = Case(seed: UInt64(1000 + seed))
        let rows = Int.random(in: 2...20, using: &product.random)
        let input = (0..<product.inputs).map { _ in product.random.float() }
        for place in 0..<rows {
            let (x, y) = (Matrix(rows: rows, columns: product.inputs), Matrix(rows: rows, columns: product.outputs))
            for element in 0..<rows * x.stride {
                unsafe x.base[element] = [Float.nan, .infinity, -.infinity, 3e38][element % 4]
            }
            x.set(place, to: input)
            product.packed.multiply(x, rows: rows, into: y)
            let wrong = (0..<product.outputs).filter { !same(y[place, $0], product.product(input, $0)) }
            #expect(wrong.isEmpty, "row \(place) of \(rows)")
        }
    }

    @Test("rows past the asked ones stay as they are") func rowsBehind() {
        let product = Case(seed: 7)
        let (x, y) = (Matrix(rows: 9, columns: product.inputs), Matrix(rows: 9, columns: product.outputs))
        for row in 0..<9 { y.set(row, to: [Float](repeating: 5, count: product.outputs)) }
        for rows in 0...8 {
            product.packed.multiply(x, rows: rows, into: y)
            for row in rows..<9 { #expect(y.values(row).allSatisfy { $0 == 5 }) }
        }
    }

    @Test("no bias gives the bytes of a bias of zeros, up to the sign of a zero") func noBias() {
        let none = PackedMatrix(outputs: 3, inputs: 2) { output, row in row = [Float(output), -1] }
        let zeros = PackedMatrix(outputs: 3, inputs: 2, bias: [0, 0, 0]) { output, row in row = [Float(output), -1] }
        let (x, y, z) = (Matrix(rows: 1, columns: 2), Matrix(rows: 1, columns: 3), Matrix(rows: 1, columns: 3))
        x.set(0, to: [1, 1])
        none.multiply(x, rows: 1, into: y)
        zeros.multiply(x, rows: 1, into: z)
        #expect(y.values(0).map(\.bitPattern) == z.values(0).map(\.bitPattern))
        #expect(y.values(0) == [-1, 0, 1])
    }
}
