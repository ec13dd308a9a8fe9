import Threading

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
        _ type: WeightType = .f32, outputs: Int, inputs: Int, bias: [Float]? = nil,
        row: (Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        precondition(bias == nil || bias!.count == outputs, "\(bias!.count) biases for \(outputs) outputs")
        self.outputs = outputs
        self.inputs = inputs
        let spread = TileWidth.chosen.spread(parts: 1, channels: outputs)
        let width = 8 * spread
        panels = Panels(type, count: outputs.roundedUp(to: width) / width, vectors: spread, inputs: inputs)
        self.bias = (bias ?? []) + [Float](repeating: 0, count: outputs.roundedUp(to: 8) - (bias?.count ?? 0))
        var weights = [Float](repeating: 0, count: inputs)
        for output in 0..<outputs {
            try row(output, &weights)
            panels.set(panel: output / width, vector: output % width / 8, lane: output % 8, to: weights)
        }
    }

    /// y ← W x + b for the first `rows` rows.
    public func multiply(
        _ x: Matrix, rows: Int, into y: Matrix, by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        multiply(x, rows, y, member, scratch) { product, bias, _ in product + bias }
    }

    /// y ← GELU(W x + b): the first product of an MLP.
    public func multiplyGELU(
        _ x: Matrix, rows: Int, into y: Matrix, by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        multiply(x, rows, y, member, scratch) { product, bias, _ in gelu(product + bias) }
    }

    /// y ← σ(W x + b): a gate.
    public func multiplySigmoid(
        _ x: Matrix, rows: Int, into y: Matrix, by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        multiply(x, rows, y, member, scratch) { product, bias, _ in sigmoid(product + bias) }
    }

    /// y ← max(W x + b, 0), NaN where that is NaN.
    public func multiplyReLU(
        _ x: Matrix, rows: Int, into y: Matrix, by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        multiply(x, rows, y, member, scratch) { product, bias, _ in
            let sum = product + bias
            return sum.replacing(with: 0, where: sum .< 0)
        }
    }

    /// y ← tanh(W x + b)
    public func multiplyTanh(
        _ x: Matrix, rows: Int, into y: Matrix, by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        multiply(x, rows, y, member, scratch) { product, bias, _ in tanh(product + bias) }
    }

    /// y ← y · (W x + b): what a GELU lets through in a gated MLP.
    public func multiplyScaling(
        _ x: Matrix, rows: Int, into y: Matrix, by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        multiply(x, rows, y, member, scratch) { product, bias, before in before * (product + bias) }
    }

    /// y ← y + (W x + b): the last product of a residual branch.
    public func multiplyAdding(
        _ x: Matrix, rows: Int, into y: Matrix, by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        multiply(x, rows, y, member, scratch) { product, bias, before in before + (product + bias) }
    }

    @inline(__always)
    private func multiply(
        _ x: Matrix, _ rows: Int, _ y: Matrix, _ member: borrowing Team.Member, _ scratch: Scratch,
        _ combine: (_ product: Vector, _ bias: Vector, _ before: Vector) -> Vector
    ) {
        precondition(
            x.columns == inputs && rows <= x.rows, "\(x.rows) × \(x.columns) for \(inputs) inputs, \(rows) rows")
        precondition(
            y.columns == outputs && rows <= y.rows, "\(y.rows) × \(y.columns) for \(outputs) outputs, \(rows) rows")
        unsafe bias.withUnsafeBufferPointer { bias in
            let bias = bias.baseAddress!
            unsafe panels.multiply(x, rows: rows, by: member, scratch) { panel, rows, sums, width in
                let first = panel * panels.vectors * 8
                // The last panel may reach past the padding of y.
                for (vector, column) in zip(0..<panels.vectors, stride(from: first, to: outputs, by: 8)) {
                    let bias = unsafe load(bias + column)
                    var to = unsafe y.base + rows.lowerBound * y.stride + column
                    var sums = unsafe sums + vector
                    for _ in rows {
                        unsafe store(combine(sums.pointee, bias, load(to)), to)
                        unsafe to += y.stride
                        unsafe sums += width
                    }
                }
            }
        }
        member.barrier()
    }
}
