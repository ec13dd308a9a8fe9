import Threading

/// Parts: update, reset, new; then the recurrent vectors in the same order.
private enum ParaGRUCell: FusedCell {
    static var parts: Int { 3 }

    @inline(__always)
    static func step(_ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ state: ChannelState) -> Vector {
        // z = σ(a_z ⊙ h + B_z x + b_z), r likewise, n = tanh(a_n ⊙ (r ⊙ h) + B_n x + b_n),
        // h ← (1 − z) ⊙ h + z ⊙ n (arXiv 2510.21450, equations 3.1a and 3.3).
        let before = unsafe state[0]
        let z = sigmoid(unsafe (sums[0] + bias[0]).addingProduct(bias[3], before))
        let r = sigmoid(unsafe (sums[1] + bias[1]).addingProduct(bias[4], before))
        let n = tanh(unsafe (sums[2] + bias[2]).addingProduct(bias[5], r * before))
        let h = before.addingProduct(z, n - before)
        unsafe state[0] = h
        return h
    }
}

/// A layer of ParaGRU: a GRU with diagonal recurrences (arXiv 2510.21450). State: the hidden state.
public final class ParaGRU: DiagonalKernel {
    /// Linear maps of the input: update, reset, new.
    public static let parts = 3

    let scan: FusedScan
    public var stateSizes: [Int] { [scan.channels] }

    /// Packs the parts. `row` fills its last argument (`inputs` values) with the weights of (part, channel).
    /// - Parameter recurrent: the diagonal of each part, `channels` values, as the recurrence uses them.
    public init<E: Error>(
        _ type: WeightType = .f32, channels: Int, inputs: Int, bias: [[Float]?], recurrent: [[Float]],
        row: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        precondition(recurrent.count == Self.parts, "\(recurrent.count) recurrent vectors")
        scan = try FusedScan(
            type, parts: Self.parts, channels: channels, inputs: inputs, bias: bias, constants: recurrent, row: row)
    }

    public func apply(
        _ x: Matrix, _ batch: Batch, states: Matrix, at offset: Int, into y: Matrix, work: [Matrix],
        by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        scan.apply(ParaGRUCell.self, x, batch, Place(states: states, offset: offset, hidden: y), member, scratch)
    }
}
