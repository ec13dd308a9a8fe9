import Glibc
import TestSupport
import Testing

@testable import Kernels

// Macros cannot take spans.
private func logSumExp(_ values: [Float]) -> Float { Kernels.logSumExp(values.span) }
private func logSumExp(_ values: ArraySlice<Float>) -> Float { Kernels.logSumExp(values.span) }
private func indexOfLargest(_ values: [Float]) -> Int { Kernels.indexOfLargest(values.span) }

@Suite("logSumExp and exponentiate")
struct LogSoftmaxTests {
    private func reference(_ values: [Float]) -> Double {
        let largest = Double(values.max()!)
        return largest + Glibc.log(values.reduce(0) { $0 + Glibc.exp(Double($1) - largest) })
    }

    @Test("agrees with double precision for every count, and the largest is found", arguments: 1...40)
    func precision(count: Int) {
        var random = SeededGenerator(seed: UInt64(count))
        for scale: Float in [0.01, 1, 30, 1e4, 1e30] {
            let values = (0..<count).map { _ in scale * random.float() }
            let expected = reference(values)
            #expect(abs(Double(logSumExp(values)) - expected) <= 1e-6 * max(1, abs(expected)))
            let matrix = Matrix(rows: 2, columns: count)
            matrix.set(1, to: values)
            #expect(matrix.logSumExp(1).bitPattern == logSumExp(values).bitPattern)
            #expect(logSumExp(([9e9] + values)[1...]).bitPattern == logSumExp(values).bitPattern)
            #expect(indexOfLargest(values) == values.firstIndex(of: values.max()!))
            for place in 0..<count {
                // Of equals the first.
                var equals = values
                for later in place..<count { equals[later] = 2e30 }
                #expect(indexOfLargest(equals) == place)
            }
        }
    }

    @Test("what lies in the padding of a row does not count") func padding() {
        let matrix = Matrix(rows: 1, columns: 11)
        matrix.set(0, to: (0..<11).map { Float($0) / 10 })
        let clean = matrix.logSumExp(0)
        for column in 11..<16 { unsafe matrix.base[column] = column % 2 == 0 ? .nan : 1e30 }
        #expect(matrix.logSumExp(0).bitPattern == clean.bitPattern)
    }

    @Test("NaN or +∞ anywhere makes it NaN; −∞ is a probability of zero", arguments: [1, 7, 8, 9, 17, 24])
    func nonFinite(count: Int) {
        for place in 0..<count {
            var values = (0..<count).map { Float($0) }
            values[place] = .nan
            #expect(logSumExp(values).isNaN)
            values[place] = .infinity
            #expect(logSumExp(values).isNaN)
            values[place] = -.infinity
            if count > 1 {
                var others = values
                others.remove(at: place)
                #expect(abs(Double(logSumExp(values)) - reference(others)) < 1e-5)
            }
        }
        #expect(logSumExp([Float](repeating: -.infinity, count: count)).isNaN)
        #expect(logSumExp([Float]()).isNaN)
    }

    @Test("one overwhelming value is its own result, however far the others are below") func extremes() {
        #expect(logSumExp([3e38, -3e38]) == 3e38)
        #expect(logSumExp([-3e38, -3e38]) == -3e38)
        #expect(logSumExp([42]) == 42)
    }

    @Test("exponentiate gives 1 at the largest value and agrees with double precision elsewhere", arguments: 1...33)
    func exponentiating(count: Int) {
        var random = SeededGenerator(seed: UInt64(count))
        for scale: Float in [0, 1e-3, 1, 7, 1e6] {
            let values = (0..<count).map { _ in 5 * random.float() }
            var weights = values
            exponentiate(&weights, scale: scale)
            #expect(weights.count == count && weights.max() == 1)
            for (value, weight) in zip(values, weights) {
                let exponent = Double((value - values.max()!) * scale)
                #expect(abs(Double(weight) - Glibc.exp(exponent)) < 3e-7)
            }
        }
        var none: [Float] = []
        exponentiate(&none, scale: 1)
        #expect(none.isEmpty)
    }
}
