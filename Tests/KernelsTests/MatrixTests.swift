import TestSupport
import Testing

@testable import Kernels

@Suite("Matrix")
struct MatrixTests {
    @Test("isFinite finds one NaN or infinity in any place of any width", arguments: 1...40)
    func finds(width: Int) {
        var random = SeededGenerator(seed: UInt64(width))
        let matrix = Matrix(rows: 3, columns: width)
        for row in 0..<3 { matrix.set(row, to: (0..<width).map { _ in 3e38 * random.float() }) }
        #expect(matrix.isFinite(1))
        for place in 0..<width {
            let before = matrix[1, place]
            for bad: Float in [.nan, -.nan, .signalingNaN, .infinity, -.infinity] {
                matrix[1, place] = bad
                #expect(!matrix.isFinite(1), "\(bad) at \(place)")
                #expect(matrix.isFinite(0) && matrix.isFinite(2))
            }
            matrix[1, place] = before
        }
        #expect(matrix.isFinite(1))
    }

    @Test("isFinite gives no false alarm for the largest and smallest numbers", arguments: [1, 5, 8, 13, 16, 64, 1000])
    func falseAlarms(width: Int) {
        let matrix = Matrix(rows: 1, columns: width)
        let patterns: [[Float]] = [
            [3e38], [-3e38], [3e38, -3e38], [.greatestFiniteMagnitude], [-.greatestFiniteMagnitude],
            [.leastNonzeroMagnitude, -0.0], [.greatestFiniteMagnitude, .leastNonzeroMagnitude, -3e38, 0],
        ]
        for pattern in patterns {
            matrix.set(0, to: (0..<width).map { pattern[$0 % pattern.count] })
            #expect(matrix.isFinite(0), "\(pattern)")
        }
    }

    @Test("isFinite does not look at the padding") func padding() {
        let matrix = Matrix(rows: 1, columns: 3)
        for column in 3..<8 { unsafe matrix.base[column] = .nan }
        #expect(matrix.isFinite(0))
    }

    @Test("a new matrix is zero, padding included") func zeros() {
        let matrix = Matrix(rows: 7, columns: 9)
        for element in 0..<7 * 16 { #expect(unsafe matrix.base[element] == 0) }
    }

    @Test("copies touch exactly the columns they name") func copies() {
        let (from, to) = (Matrix(rows: 2, columns: 10), Matrix(rows: 2, columns: 12))
        from.set(1, to: (0..<10).map { Float($0) })
        to.set(0, to: [Float](repeating: -1, count: 12))
        to.copy(0, from: 2, to: from, 1, 3..<8)
        #expect(to.values(0) == [-1, -1, 3, 4, 5, 6, 7, -1, -1, -1, -1, -1])
        to.copy(0, from: 12, to: from, 1, 10..<10)
        var taken: [Float] = [9]
        from.append(1, 8..<10, to: &taken)
        from.append(1, 4..<4, to: &taken)
        #expect(taken == [9, 8, 9])
        #expect(unsafe to.withMutableBytes(ofRow: 0) { $0.count } == 48)
    }

    @Test("adding rows adds every column and leaves later rows alone") func adding() {
        let (x, y) = (Matrix(rows: 3, columns: 11), Matrix(rows: 3, columns: 11))
        for row in 0..<3 {
            x.set(row, to: (0..<11).map { Float($0 + row) })
            y.set(row, to: (0..<11).map { Float(100 * $0) })
        }
        y.add(x, rows: 2)
        for row in 0..<3 {
            #expect(y.values(row) == (0..<11).map { Float(100 * $0 + (row < 2 ? $0 + row : 0)) })
        }
    }
}
