/// ln Σ exp of `values`, from which log-probabilities follow by subtraction. Same bytes whatever the batch; NaN where a
/// value is NaN or +∞ or none is finite. −∞ counts as a probability of zero.
public func logSumExp(_ values: Span<Float>) -> Float {
    if values.isEmpty { return .nan }
    return unsafe values.withUnsafeBufferPointer { unsafe logSumExp($0.baseAddress!, $0.count) }
}

/// Where the largest of `values` stands, which must not be empty, and none NaN; of equals the first.
public func indexOfLargest(_ values: Span<Float>) -> Int {
    unsafe values.withUnsafeBufferPointer { values in
        let largest = unsafe largest(values.baseAddress!, values.count)
        return unsafe values.firstIndex(of: largest)!
    }
}

private func largest(_ values: UnsafePointer<Float>, _ count: Int) -> Float {
    var (largest, index) = (Vector(repeating: -.infinity), 0)
    while index + 8 <= count {
        let x = unsafe load(values + index)
        largest = x.replacing(with: largest, where: largest .> x)
        index += 8
    }
    var result = largest.max()
    while index < count {
        result = unsafe max(result, values[index])
        index += 1
    }
    return result
}

private func logSumExp(_ values: UnsafePointer<Float>, _ count: Int) -> Float {
    let maximum = unsafe largest(values, count)
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
