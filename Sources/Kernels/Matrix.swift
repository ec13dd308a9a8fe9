/// Float32 values in rows, the unit in which activations and states move between kernels.
///
/// Rows are padded to whole SIMD vectors, so that kernels may read (never trust) a few elements past the columns. The
/// padding starts as zero, but in memory that matrices share. A matrix is not `Sendable`: whoever owns the model's work owns its matrices. The members of a
/// team that do this work together each write other elements, and read what another wrote only behind a barrier.
@safe public final class Matrix {
    /// Rows that hold values.
    public let rows: Int
    /// Values of one row.
    public let columns: Int
    let stride: Int
    let base: UnsafeMutablePointer<Float>
    /// What it lies in; nil for memory of its own.
    private let memory: MatrixMemory?

    /// A matrix of zeros, `rows` × `columns`.
    public init(rows: Int, columns: Int) {
        precondition(rows > 0 && columns > 0, "matrix of \(rows) × \(columns)")
        (self.rows, self.columns, stride, memory) = (rows, columns, Self.stride(columns), nil)
        let count = rows * stride
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 64)
        unsafe base = memory.bindMemory(to: Float.self, capacity: count)
        unsafe base.initialize(repeating: 0, count: count)
    }

    /// A matrix in `memory` from the byte `offset` on, a multiple of 64: of whatever lies there.
    public init(rows: Int, columns: Int, in memory: MatrixMemory, at offset: Int = 0) {
        precondition(rows > 0 && columns > 0, "matrix of \(rows) × \(columns)")
        precondition(
            offset >= 0 && offset % 64 == 0 && offset + Self.bytes(rows: rows, columns: columns) <= memory.bytes,
            "\(rows) × \(columns) at \(offset) of \(memory.bytes) bytes")
        (self.rows, self.columns, stride, self.memory) = (rows, columns, Self.stride(columns), memory)
        unsafe base = (memory.base + offset).bindMemory(to: Float.self, capacity: rows * stride)
    }

    deinit { if memory == nil { unsafe base.deallocate() } }

    /// An odd number of cache lines, so that rows of a tile do not compete for the same places of a cache.
    private static func stride(_ columns: Int) -> Int {
        columns <= 16 ? columns.roundedUp(to: 8) : (columns.roundedUp(to: 16) / 16 | 1) * 16
    }

    /// What the first `rows` rows of such a matrix take, rounded up to 64 bytes.
    public static func bytes(rows: Int, columns: Int) -> Int { (rows * stride(columns) * 4).roundedUp(to: 64) }

    /// The value at `row`, `column`.
    public subscript(row: Int, column: Int) -> Float {
        get { unsafe pointer(row, column).pointee }
        set { unsafe pointer(row, column).pointee = newValue }
    }

    func pointer(_ row: Int, _ column: Int = 0) -> UnsafeMutablePointer<Float> {
        precondition(
            row >= 0 && row < rows && column >= 0 && column < columns, "(\(row), \(column)) of (\(rows), \(columns))")
        return unsafe base + row * stride + column
    }

    /// Copies `range` of `values`, all of them by default, into `row` from `column` on.
    public func set(_ row: Int, from column: Int = 0, to values: [Float], _ range: Range<Int>? = nil) {
        let range = range ?? values.indices
        precondition(column + range.count <= columns && range.upperBound <= values.count, "\(range) of \(values.count)")
        guard !range.isEmpty else { return }
        unsafe values.withUnsafeBufferPointer { values in
            unsafe pointer(row, column).update(from: values.baseAddress! + range.lowerBound, count: range.count)
        }
    }

    /// Copies `columns` of a row of `source` into `row` of this matrix, from `column` on.
    public func copy(_ row: Int, from column: Int = 0, to source: Matrix, _ sourceRow: Int, _ columns: Range<Int>) {
        precondition(column + columns.count <= self.columns && columns.upperBound <= source.columns)
        guard !columns.isEmpty else { return }
        unsafe pointer(row, column).update(from: source.pointer(sourceRow, columns.lowerBound), count: columns.count)
    }

    /// Appends `columns` of `row` to `array`.
    public func append(_ row: Int, _ columns: Range<Int>, to array: inout [Float]) {
        guard !columns.isEmpty else { return }
        precondition(columns.upperBound <= self.columns)
        unsafe array.append(
            contentsOf: UnsafeBufferPointer(start: pointer(row, columns.lowerBound), count: columns.count))
    }

    /// All values of `row`.
    public func values(_ row: Int) -> [Float] {
        unsafe Array(UnsafeBufferPointer(start: pointer(row), count: columns))
    }

    /// Lends the bytes of `row` for writing: how states enter from a slab. Exactly `columns` × 4 bytes.
    public func withMutableBytes<R>(ofRow row: Int, _ body: (UnsafeMutableRawBufferPointer) -> R) -> R {
        unsafe body(UnsafeMutableRawBufferPointer(start: pointer(row), count: columns * 4))
    }

    /// Whether every value of `row` is finite.
    public func isFinite(_ row: Int) -> Bool {
        let values = unsafe pointer(row)
        // x − x is zero for a finite x and NaN otherwise; the sum keeps what it meets.
        var sum = Vector.zero
        var column = 0
        while column + Vector.scalarCount <= columns {
            let x = unsafe load(values + column)
            sum += x - x
            column += Vector.scalarCount
        }
        for rest in column..<columns {
            let x = unsafe values[rest]
            sum[0] += x - x
        }
        return all(sum .== 0)
    }
}
