import TestSupport
import Testing
import Threading

@testable import Kernels

@Suite("PackedMatrix: one chain of fused multiply-adds per element")
struct PackedMatrixTests {
    /// A product with random weights of some type, and what it must give.
    struct Case {
        var random: SeededGenerator
        let outputs: Int
        let inputs: Int
        /// As they are after rounding, without their scales.
        let weights: [[Float]]
        let scales: [Float]?
        let bias: [Float]?
        let packed: PackedMatrix

        init(seed: UInt64) {
            var random = SeededGenerator(seed: seed)
            // Some have more inputs than one block of a panel.
            let inputs = Int.random(in: seed % 4 == 3 ? 380...1200 : 1...70, using: &random)
            let outputs = Int.random(in: 1...70, using: &random)
            let exact = (0..<outputs).map { _ in (0..<inputs).map { _ in random.float() } }
            bias = Bool.random(using: &random) ? (0..<outputs).map { _ in random.float() } : nil
            let type = WeightType.allCases[Int(seed / 4 % 3)]
            let bias = bias
            packed = TileWidth.of(seed).pack {
                PackedMatrix(type, outputs: outputs, inputs: inputs, bias: bias) { $1 = exact[$0] }
            }
            switch type {
            case .f32: (weights, scales) = (exact, nil)
            case .f16: (weights, scales) = (exact.map { $0.map { Float(Float16($0)) } }, nil)
            case .int8:
                let steps = exact.map { $0.map(abs).max()! / 127 }
                weights = zip(exact, steps).map { row, step in row.map { ($0 / step).rounded(.toNearestOrEven) } }
                scales = steps
            }
            (self.outputs, self.inputs, self.random) = (outputs, inputs, random)
        }

        func product(_ x: [Float], _ output: Int) -> Float {
            var sum: Float = 0
            for k in 0..<inputs { sum = sum.addingProduct(x[k], weights[output][k]) }
            if let scales { sum *= scales[output] }
            return sum + (bias?[output] ?? 0)
        }
    }

    @Test(
        "every variant equals the scalar chain to the bit, for random shapes and all weight types", arguments: 0..<240)
    func chain(seed: Int) {
        var product = Case(seed: UInt64(seed))
        let rows = 1 + seed % 23
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

    @Test("a team of any size gives the bytes of one thread", arguments: [2, 3, 4], [1, 5, 50, 400])
    func teams(threads: Int, rows: Int) {
        final class Product: Teamwork {
            let product = Case(seed: 3)
            let (x, y): (Matrix, Matrix)
            let scratch: [Scratch]
            init(_ rows: Int, _ threads: Int) {
                scratch = (0..<threads).map { _ in Scratch() }
                (x, y) = (Matrix(rows: rows, columns: product.inputs), Matrix(rows: rows, columns: product.outputs))
                var random = SeededGenerator(seed: 1)
                for row in 0..<rows { x.set(row, to: (0..<product.inputs).map { _ in random.float() }) }
            }
            func work(as member: borrowing Team.Member) {
                product.packed.multiply(x, rows: x.rows, into: y, by: member, scratch[member.index])
            }
        }
        let (one, many) = (Product(rows, 1), Product(rows, threads))
        Team.runAlone(one)
        Team(threads: threads).run(many)
        for row in 0..<rows { #expect(many.y.values(row) == one.y.values(row)) }
    }

    @Test("int8 keeps a row of zeros, of tiny and of huge weights") func int8Extremes() {
        let rows: [[Float]] = [
            [0, 0, 0], [.leastNonzeroMagnitude, -.leastNonzeroMagnitude, 0], [3e38, -3e38, 1.5e38],
            [1e-30, -1e-30, 5e-31],
        ]
        let packed = PackedMatrix(.int8, outputs: 4, inputs: 3) { $1 = rows[$0] }
        let (x, y) = (Matrix(rows: 1, columns: 3), Matrix(rows: 1, columns: 4))
        for k in 0..<3 {
            x.set(0, to: (0..<3).map { $0 == k ? 1 : 0 })
            packed.multiply(x, rows: 1, into: y)
            for output in 0..<4 {
                let largest = rows[output].map(abs).max()!
                #expect(abs(y[0, output] - rows[output][k]) <= max(largest / 254 * 1.001, 1e-35))
            }
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
