import Threading

/// Parts: forget, new, output; then the recurrent vectors in the same order and the peepholes of forget and output.
private enum ParaLSTMCell: FusedCell {
    static var parts: Int { 3 }
    static var states: Int { 2 }

    @inline(__always)
    static func step(_ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ state: ChannelState) -> Vector {
        // f = σ(a_f ⊙ h + p_f ⊙ c + B_f x + b_f), n = tanh(a_n ⊙ h + B_n x + b_n), c ← f ⊙ c + (1 − f) ⊙ n,
        // o = σ(a_o ⊙ h + p_o ⊙ c + B_o x + b_o) of the new c, h ← o ⊙ tanh c
        // (arXiv 2510.21450, equations 3.1b and 3.3).
        let (h, c) = unsafe (state[0], state[1])
        let f = sigmoid(unsafe (sums[0] + bias[0]).addingProduct(bias[3], h).addingProduct(bias[6], c))
        let n = tanh(unsafe (sums[1] + bias[1]).addingProduct(bias[4], h))
        let cell = n.addingProduct(f, c - n)
        let o = sigmoid(unsafe (sums[2] + bias[2]).addingProduct(bias[5], h).addingProduct(bias[7], cell))
        let hidden = o * tanh(cell)
        unsafe state[0] = hidden
        unsafe state[1] = cell
        return hidden
    }
}

/// A layer of ParaLSTM: an LSTM with diagonal recurrences, coupled gates and peepholes (arXiv 2510.21450). State: hidden
/// state, cell.
public final class ParaLSTM: DiagonalKernel {
    /// Linear maps of the input: forget, new, output.
    public static let parts = 3

    let scan: FusedScan
    public var stateSizes: [Int] { [scan.channels, scan.channels] }

    /// Packs the parts. `row` fills its last argument (`inputs` values) with the weights of (part, channel).
    /// - Parameters:
    ///   - recurrent: the diagonal of each part, `channels` values, as the recurrence uses them.
    ///   - peepholes: the diagonals from the cell to forget and output.
    public init<E: Error>(
        _ type: WeightType = .f32, channels: Int, inputs: Int, bias: [[Float]?], recurrent: [[Float]],
        peepholes: (forget: [Float], output: [Float]),
        row: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        precondition(recurrent.count == Self.parts, "\(recurrent.count) recurrent vectors")
        scan = try FusedScan(
            type, parts: Self.parts, channels: channels, inputs: inputs, bias: bias,
            constants: recurrent + [peepholes.forget, peepholes.output], row: row)
    }

    public func apply(
        _ x: Matrix, _ batch: Batch, states: Matrix, at offset: Int, into y: Matrix, work: [Matrix],
        by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        scan.apply(ParaLSTMCell.self, x, batch, Place(states: states, offset: offset, hidden: y), member, scratch)
    }
}
