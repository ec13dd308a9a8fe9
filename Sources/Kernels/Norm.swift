import Threading

/// A normalisation over the channels of each row. Sums run over eight lanes in column order and end in one fixed tree.
public struct Norm: Sendable {
    public enum Kind: Sendable {
        /// x / √(mean x² + ε) · w
        case rms
        /// (x − mean) / √(variance + ε) · w + b, variance over the whole row
        case layer
    }

    public let kind: Kind
    public let epsilon: Float
    private let weight: [Float]
    private let bias: [Float]

    /// `bias` is of the layer norm alone; missing means zeros.
    public init(kind: Kind, epsilon: Float, weight: [Float], bias: [Float]? = nil) {
        precondition(bias == nil || bias!.count == weight.count, "\(bias!.count) biases for \(weight.count) weights")
        (self.kind, self.epsilon) = (kind, epsilon)
        let padding = [Float](repeating: 0, count: weight.count.roundedUp(to: 8) - weight.count)
        self.weight = weight + padding
        self.bias = (bias ?? [Float](repeating: 0, count: weight.count)) + padding
    }

    /// y ← norm(x) for the first `rows` rows. `y` may be `x`.
    public func apply(_ x: Matrix, rows: Int, into y: Matrix, by member: borrowing Team.Member) {
        let width = x.columns
        precondition(width.roundedUp(to: 8) == weight.count && y.columns == width && rows <= x.rows && rows <= y.rows)
        unsafe weight.withUnsafeBufferPointer { weight in
            unsafe bias.withUnsafeBufferPointer { bias in
                let (weight, bias) = (weight.baseAddress!, bias.baseAddress!)
                member.share(rows, by: 8) { row in
                    let from = unsafe UnsafePointer(x.base + row * x.stride)
                    let to = unsafe y.base + row * y.stride
                    let count = Float(width)
                    let mean = kind == .rms ? 0 : unsafe sum(from, width) { $0 } / count
                    let square = unsafe sum(from, width) { ($0 - mean) * ($0 - mean) } / count
                    let scale = 1 / (square + epsilon).squareRoot()
                    for column in stride(from: 0, to: width, by: 8) {
                        let centred = unsafe load(from + column) - mean
                        let scaled = unsafe centred * scale * load(weight + column)
                        unsafe store(kind == .rms ? scaled : scaled + load(bias + column), to + column)
                    }
                }
            }
        }
        member.barrier()
    }

    @inline(__always)
    private func sum(_ from: UnsafePointer<Float>, _ width: Int, _ term: (Vector) -> Vector) -> Float {
        var total = Vector.zero
        var column = 0
        while column + 8 <= width {
            total += term(unsafe load(from + column))
            column += 8
        }
        if column < width {
            let last = term(unsafe load(from + column, first: width - column))
            // A padding lane would add mean².
            for lane in 0..<(width - column) { total[lane] += last[lane] }
        }
        return total.treeSum
    }
}
