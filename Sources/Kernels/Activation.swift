import Threading

/// What may follow a linear map, value by value.
public enum Activation: String, Sendable, CaseIterable {
    /// max(x, 0)
    case relu
    case tanh
    /// σ(x)
    case sigmoid
    /// x · Φ(x), exact
    case gelu
}

extension PackedMatrix {
    /// y ← activation(W x + b) for the first `rows` rows; nil leaves it W x + b.
    public func multiply(
        _ x: Matrix, rows: Int, into y: Matrix, _ activation: Activation?, by member: borrowing Team.Member,
        _ scratch: Scratch
    ) {
        switch activation {
        case .relu: multiplyReLU(x, rows: rows, into: y, by: member, scratch)
        case .tanh: multiplyTanh(x, rows: rows, into: y, by: member, scratch)
        case .sigmoid: multiplySigmoid(x, rows: rows, into: y, by: member, scratch)
        case .gelu: multiplyGELU(x, rows: rows, into: y, by: member, scratch)
        case nil: multiply(x, rows: rows, into: y, by: member, scratch)
        }
    }
}
