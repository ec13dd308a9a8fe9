import Kernels

/// A tensor of a mapped checkpoint: a name, a type, a shape and where its bytes lie.
struct Tensor: Sendable {
    let name: String
    let type: StoredFloat
    /// PyTorch's order: a linear map's weight is (out, in).
    let shape: [Int]
    let file: MappedFile
    let bytes: Range<Int>

    var count: Int { bytes.count / type.size }

    /// All values, widened to float32, in row-major order.
    func values() throws(CheckpointError) -> [Float] {
        var values = [Float](repeating: 0, count: count)
        try read(from: 0, into: &values)
        return values
    }

    /// Widens `into.count` values from element `first` on. Every value must be finite.
    func read(from first: Int, into values: inout [Float]) throws(CheckpointError) {
        let count = values.count
        let start = bytes.lowerBound + first * type.size
        precondition(start + count * type.size <= bytes.upperBound, "elements from \(first), \(count) of \(self.count)")
        let isFinite = unsafe file.withBytes(start..<start + count * type.size) { unsafe type.widen($0, into: &values) }
        if !isFinite { throw .nonFinite(tensor: name) }
    }
}

/// Consecutive rows of a matrix: how one stored tensor holds several linear maps, one under the other.
struct TensorRows: Sendable {
    let tensor: Tensor
    let rows: Range<Int>

    /// Values of one row.
    var width: Int { tensor.count / tensor.shape[0] }

    /// Reads row `index` of these rows.
    func read(row index: Int, into values: inout [Float]) throws(CheckpointError) {
        precondition(values.count == width && index < rows.count, "row \(index) of \(rows), width \(width)")
        try tensor.read(from: (rows.lowerBound + index) * width, into: &values)
    }

    /// All values of these rows.
    func values() throws(CheckpointError) -> [Float] {
        var values = [Float](repeating: 0, count: rows.count * width)
        try tensor.read(from: rows.lowerBound * width, into: &values)
        return values
    }
}
