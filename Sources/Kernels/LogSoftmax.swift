extension Matrix {
    /// ln Σ exp of `row`, from which log-probabilities follow by subtraction. Same bytes whatever the batch.
    public func logSumExp(_ row: Int) -> Float {
        let values = unsafe UnsafePointer(pointer(row))
        var maximum = -Float.infinity
        for column in 0..<columns { maximum = max(maximum, unsafe values[column]) }
        var sum = Vector.zero
        for column in Swift.stride(from: 0, to: columns, by: 8) {
            let lanes = columns - column
            let terms = exp(unsafe load(values + column) - maximum)
            if lanes >= 8 {
                sum += terms
            } else {
                for lane in 0..<lanes { sum[lane] += terms[lane] }
            }
        }
        let total = sum.treeSum
        return total.isNormal && maximum.isFinite ? maximum + Float(naturalLogarithm(Double(total))) : .nan
    }

    /// y ← y + x for the first `rows` rows of equal width: a residual connection.
    public func add(_ x: Matrix, rows: Int) {
        precondition(x.columns == columns && rows <= x.rows && rows <= self.rows)
        for row in 0..<rows {
            let from = unsafe UnsafePointer(x.base + row * x.stride)
            let to = unsafe base + row * stride
            for column in Swift.stride(from: 0, to: columns, by: 8) {
                unsafe store(load(to + column) + load(from + column), to + column)
            }
        }
    }
}

/// Replaces each x of `values` by exp((x − max) · scale): softmax weights that are not yet divided by their sum.
public func exponentiate(_ values: inout [Float], scale: Float) {
    guard let maximum = values.max() else { return }
    unsafe values.withUnsafeMutableBufferPointer { values in
        for start in stride(from: 0, to: values.count, by: 8) {
            let at = unsafe values.baseAddress! + start
            let lanes = values.count - start
            unsafe store(exp((load(at, first: lanes) - maximum) * scale), at, first: lanes)
        }
    }
}
