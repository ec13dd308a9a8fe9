import Testing

@testable import Kernels

@Suite("Memory that matrices share")
struct MatrixMemoryTests {
    @Test(
        "room for many rows takes the pages of those that are written, until they are given back", arguments: [1, 40])
    func pages(columns: Int) {
        let bytes = Matrix.bytes(rows: 100_000, columns: columns)
        let memory = MatrixMemory(bytes: bytes, isSparse: true)
        let matrix = Matrix(rows: 100_000, columns: columns, in: memory)
        #expect(memory.bytes == bytes && memory.residentBytes == 0)
        for row in 0..<100 { matrix[row, 0] = 1 }
        let used = Matrix.bytes(rows: 100, columns: columns)
        #expect(memory.residentBytes >= used && memory.residentBytes < used + MatrixMemory.page)
        matrix[99_999, columns - 1] = 2
        #expect(memory.residentBytes < used + 3 * MatrixMemory.page)
        memory.giveBack()
        #expect(memory.residentBytes == 0)
        #expect(matrix[0, 0] == 0 && matrix[99_999, columns - 1] == 0)
    }

    @Test("matrices that lie behind each other do not meet") func neighbours() {
        let shapes = [(3, 7), (1, 1), (5, 16), (2, 33), (4, 100)]
        let memory = MatrixMemory(
            bytes: shapes.reduce(0) { $0 + Matrix.bytes(rows: $1.0, columns: $1.1) }, isSparse: true)
        var offset = 0
        let matrices = shapes.map { rows, columns in
            defer { offset += Matrix.bytes(rows: rows, columns: columns) }
            return Matrix(rows: rows, columns: columns, in: memory, at: offset)
        }
        for (index, matrix) in matrices.enumerated() {
            for row in 0..<matrix.rows {
                matrix.set(row, to: [Float](repeating: Float(index + 1), count: matrix.columns))
            }
        }
        for (index, matrix) in matrices.enumerated() {
            for row in 0..<matrix.rows {
                #expect(matrix.values(row) == [Float](repeating: Float(index + 1), count: matrix.columns))
            }
        }
    }
}
