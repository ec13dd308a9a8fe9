import Threading

/// ln Σ exp of `values`, from which log-probabilities follow by subtraction. Same bytes whatever the batch; NaN where a
/// value is NaN or +∞ or none is finite. −∞ counts as a probability of zero.
public func logSumExp(_ values: some Collection<Float>) -> Float {
    let result = values.withContiguousStorageIfAvailable { unsafe logSumExp($0.baseAddress!, $0.count) }
    return result ?? logSumExp(Array(values))
}

private func logSumExp(_ values: UnsafePointer<Float>, _ count: Int) -> Float {
    var maximum = -Float.infinity
    for index in 0..<count { maximum = unsafe max(maximum, values[index]) }
    var sum = Vector.zero
    for start in stride(from: 0, to: count, by: 8) {
        let lanes = count - start
        let terms = exp(unsafe load(values + start, first: lanes) - maximum)
        if lanes >= 8 {
            sum += terms
        } else {
            for lane in 0..<lanes { sum[lane] += terms[lane] }
        }
    }
    let total = sum.treeSum
    return total.isNormal && maximum.isFinite ? maximum + Float(naturalLogarithm(Double(total))) : .nan
}

extension Matrix {
    /// ln Σ exp of `row`.
    public func logSumExp(_ row: Int) -> Float { unsafe Kernels.logSumExp(pointer(row), columns) }

    /// y ← y + x for the first `rows` rows of equal width: a residual connection.
    public func add(_ x: Matrix, rows: Int, by member: borrowing Team.Member) {
        precondition(x.columns == columns && rows <= x.rows && rows <= self.rows)
        member.share(rows, by: 16) { row in
            let from = unsafe UnsafePointer(x.base + row * x.stride)
            let to = unsafe base + row * stride
            for column in Swift.stride(from: 0, to: columns, by: 8) {
                unsafe store(load(to + column) + load(from + column), to + column)
            }
        }
        member.barrier()
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
