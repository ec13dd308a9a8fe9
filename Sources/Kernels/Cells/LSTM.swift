import Threading

/// Parts: input, forget, cell, output.
private enum LSTMCell: FeedbackCell {
    static var parts: Int { 4 }

    @inline(__always)
    static func step(
        _ input: PartSums, _ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ before: Vector,
        _ state: ChannelState
    ) -> Vector {
        // i, f, o = σ(W x + b + W_h h + b_h), g = tanh(W x + b + W_h h + b_h), each with weights of its own;
        // c ← f ⊙ c + i ⊙ g, h ← o ⊙ tanh c (torch.nn.LSTM).
        let i = sigmoid(unsafe input[0] + (sums[0] + bias[0]))
        let f = sigmoid(unsafe input[1] + (sums[1] + bias[1]))
        let g = tanh(unsafe input[2] + (sums[2] + bias[2]))
        let o = sigmoid(unsafe input[3] + (sums[3] + bias[3]))
        let c = (i * g).addingProduct(f, unsafe state[0])
        unsafe state[0] = c
        return o * tanh(c)
    }
}

/// A layer of LSTM, as `torch.nn.LSTM` defines it. State: hidden state, cell.
public final class LSTM: FeedbackKernel {
    /// Linear maps of input and of hidden state: input, forget, cell, output.
    public static let parts = 4

    let scan: FeedbackScan
    public var stateSizes: [Int] { [scan.hidden, scan.channels] }

    /// Packs the parts. `input` and `hidden` fill their last argument with the weights of (part, channel): `inputs`
    /// values, and as many as the hidden state has.
    /// - Parameter projection: W_hr, h ← W_hr (o ⊙ tanh c); nil where the hidden state is o ⊙ tanh c.
    public init<E: Error>(
        _ type: WeightType = .f32, channels: Int, inputs: Int, inputBias: [[Float]?], hiddenBias: [[Float]?],
        projection: PackedMatrix? = nil, input: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void,
        hidden: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        scan = try FeedbackScan(
            type, parts: Self.parts, channels: channels, inputs: inputs, memories: 1,
            biases: .init(input: inputBias, hidden: hiddenBias), projection: projection, input: input,
            recurrent: hidden)
    }

    public func apply(
        _ x: Matrix, _ batch: Batch, states: Matrix, at offset: Int, into y: Matrix, work: [Matrix],
        by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        let place = Place(states: states, offset: offset, hidden: y)
        scan.apply(LSTMCell.self, x, batch, place, work, member, scratch)
    }
}
