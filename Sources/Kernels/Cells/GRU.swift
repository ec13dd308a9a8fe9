import Threading

/// Parts: reset, update, new.
private enum GRUCell: FeedbackCell {
    static var parts: Int { 3 }

    @inline(__always)
    static func step(
        _ input: PartSums, _ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ before: Vector,
        _ state: ChannelState
    ) -> Vector {
        // r = σ(W_ir x + b_ir + W_hr h + b_hr), z likewise, n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)),
        // h ← (1 − z) ⊙ n + z ⊙ h (torch.nn.GRU).
        let r = sigmoid(unsafe input[0] + (sums[0] + bias[0]))
        let z = sigmoid(unsafe input[1] + (sums[1] + bias[1]))
        let n = tanh(unsafe input[2].addingProduct(r, sums[2] + bias[2]))
        return n.addingProduct(z, before - n)
    }
}

/// A layer of GRU, as `torch.nn.GRU` defines it. State: the hidden state.
public final class GRU: FeedbackKernel {
    /// Linear maps of input and of hidden state: reset, update, new.
    public static let parts = 3

    let scan: FeedbackScan

    /// Packs the parts. `input` and `hidden` fill their last argument with the weights of (part, channel): `inputs` and
    /// `channels` values.
    public init<E: Error>(
        _ type: WeightType = .f32, channels: Int, inputs: Int, inputBias: [[Float]?], hiddenBias: [[Float]?],
        input: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void,
        hidden: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        scan = try FeedbackScan(
            type, parts: Self.parts, channels: channels, inputs: inputs, memories: 0,
            biases: .init(input: inputBias, hidden: hiddenBias), input: input, recurrent: hidden)
    }

    public func apply(
        _ x: Matrix, _ batch: Batch, states: Matrix, at offset: Int, into y: Matrix, work: [Matrix],
        by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        let place = Place(states: states, offset: offset, hidden: y)
        scan.apply(GRUCell.self, x, batch, place, work, member, scratch)
    }
}
