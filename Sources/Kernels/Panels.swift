/// Weights packed for the register tile: panels of `vectors` × 8 output columns, each panel k-major.
///
/// Written only while its owner is being made, read-only from then on: that makes `@unchecked Sendable` true.
///
/// Panel p holds, for k = 0, 1, …, the weights from input k to its output columns. Columns past the last are zeros.
@safe struct Panels: ~Copyable, @unchecked Sendable {
    let inputs: Int
    let vectors: Int
    let count: Int
    private let base: UnsafeMutablePointer<Vector>

    init(count: Int, vectors: Int, inputs: Int) {
        precondition(count > 0 && inputs > 0, "panels of \(count) × \(inputs)")
        (self.inputs, self.vectors, self.count) = (inputs, vectors, count)
        let total = count * vectors * inputs
        let memory = UnsafeMutableRawPointer.allocate(byteCount: total * MemoryLayout<Vector>.size, alignment: 64)
        unsafe base = memory.bindMemory(to: Vector.self, capacity: total)
        unsafe base.initialize(repeating: .zero, count: total)
    }

    deinit { unsafe base.deallocate() }

    /// The weights of panel `index`: inputs × vectors.
    @inline(__always)
    func panel(_ index: Int) -> UnsafePointer<Vector> {
        unsafe UnsafePointer(base + index * vectors * inputs)
    }

    /// Writes the weights of one output, one from each input, into column `lane` of vector `vector` of a panel.
    func set(panel: Int, vector: Int, lane: Int, to weights: [Float]) {
        precondition(panel < count && vector < vectors && lane < 8 && weights.count == inputs)
        let first = unsafe UnsafeMutableRawPointer(base + panel * vectors * inputs + vector)
            .assumingMemoryBound(to: Float.self)
        unsafe weights.withUnsafeBufferPointer { weights in
            for k in 0..<inputs { unsafe first[k &* vectors &* 8 &+ lane] = weights[k] }
        }
    }

    /// Computes every panel for `rows` rows of `x` and hands each finished row of a tile to `epilogue`, for any panel in
    /// ascending order of rows: (panel, row, the row's vectors).
    ///
    /// Rows go through the six-row tile (three for three vectors) while more than one is left; rows computed past the
    /// last are dropped.
    @inline(__always)
    func multiply(_ x: Matrix, rows: Int, _ epilogue: (Int, Int, UnsafePointer<Vector>) -> Void) {
        precondition(
            x.columns == inputs && rows <= x.rows, "\(x.rows) × \(x.columns) by \(inputs) inputs, \(rows) rows")
        unsafe withUnsafeTemporaryAllocation(of: Vector.self, capacity: tileRows * 2) { tile in
            let tile = tile.baseAddress!
            let height = vectors == 2 ? tileRows : tileRows / 2
            for index in 0..<count {
                let weights = unsafe panel(index)
                var row = 0
                while row < rows {
                    let from = unsafe UnsafePointer(x.base + row * x.stride)
                    let left = min(height, rows - row)
                    switch (vectors, left) {
                    case (2, 1): unsafe tile1x2(from, weights, inputs, tile)
                    case (2, _): unsafe tile6x2(from, x.stride, weights, inputs, tile)
                    case (_, 1): unsafe tile1x3(from, weights, inputs, tile)
                    default: unsafe tile3x3(from, x.stride, weights, inputs, tile)
                    }
                    for offset in 0..<left { unsafe epilogue(index, row + offset, tile + offset * vectors) }
                    row += left
                }
            }
        }
    }
}
