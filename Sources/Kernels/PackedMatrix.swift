/// An immutable weight matrix, outputs × inputs, with an optional bias: y = W x + b.
///
/// Bias comes after the whole chain over the inputs, so a model without bias gives the bytes of one with zeros.
public final class PackedMatrix: Sendable {
    public let outputs: Int
    public let inputs: Int
    private let panels: Panels
    private let bias: [Float]

    /// Packs a matrix row by row. `row` fills its argument (`inputs` values) with the weights of one output.
    public init<E: Error>(
        outputs: Int, inputs: Int, bias: [Float]? = nil, row: (Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        precondition(bias == nil || bias!.count == outputs, "\(bias!.count) biases for \(outputs) outputs")
        self.outputs = outputs
        self.inputs = inputs
        panels = Panels(count: outputs.roundedUp(to: 16) / 16, vectors: 2, inputs: inputs)
        self.bias = (bias ?? []) + [Float](repeating: 0, count: outputs.roundedUp(to: 16) - (bias?.count ?? 0))
        var weights = [Float](repeating: 0, count: inputs)
        for output in 0..<outputs {
            try row(output, &weights)
            panels.set(panel: output / 16, vector: output % 16 / 8, lane: output % 8, to: weights)
        }
    }

    /// y ← W x + b for the first `rows` rows.
    public func multiply(_ x: Matrix, rows: Int, into y: Matrix) {
        multiply(x, rows: rows, into: y) { product, bias, _ in product + bias }
    }

    /// y ← GELU(W x + b): the first product of an MLP.
    public func multiplyGELU(_ x: Matrix, rows: Int, into y: Matrix) {
        multiply(x, rows: rows, into: y) { product, bias, _ in gelu(product + bias) }
    }

    /// y ← y + (W x + b): the last product of a residual branch.
    public func multiplyAdding(_ x: Matrix, rows: Int, into y: Matrix) {
        multiply(x, rows: rows, into: y) { product, bias, before in before + (product + bias) }
    }

    @inline(__always)
    private func multiply(
        _ x: Matrix, rows: Int, into y: Matrix,
        _ combine: (_ product: Vector, _ bias: Vector, _ before: Vector) -> Vector
    ) {
        precondition(
            y.columns == outputs && rows <= y.rows, "\(y.rows) × \(y.columns) for \(outputs) outputs, \(rows) rows")
        unsafe bias.withUnsafeBufferPointer { bias in
            let bias = bias.baseAddress!
            unsafe panels.multiply(x, rows: rows) { panel, row, tile in
                let to = unsafe y.base + row * y.stride
                for half in 0..<2 {
                    let column = panel * 16 + half * 8
                    // The last panel may reach past the padding of y.
                    if column >= outputs { break }
                    let before = unsafe load(to + column)
                    unsafe store(combine(tile[half], load(bias + column), before), to + column)
                }
            }
        }
    }
}
