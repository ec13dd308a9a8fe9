import Threading

/// The one part of a plain recurrence.
private enum RNNCell<A: ActivationFunction>: FeedbackCell {
    static var parts: Int { 1 }

    @inline(__always)
    static func step(
        _ input: PartSums, _ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ before: Vector,
        _ state: ChannelState
    ) -> Vector {
        // h ← tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it (torch.nn.RNN).
        A.apply(unsafe input[0] + (sums[0] + bias[0]))
    }
}

/// What a plain recurrence is specialised for.
private protocol ActivationFunction {
    static func apply(_ x: Vector) -> Vector
}

private enum Tanh: ActivationFunction {
    @inline(__always)
    static func apply(_ x: Vector) -> Vector { tanh(x) }
}

private enum ReLU: ActivationFunction {
    /// 0 for x < 0, x itself elsewhere: NaN stays NaN.
    @inline(__always)
    static func apply(_ x: Vector) -> Vector { x.replacing(with: 0, where: x .< 0) }
}

/// A layer of a plain recurrent network, as `torch.nn.RNN` defines it. State: the hidden state.
public final class RNN: FeedbackKernel {
    /// Linear maps of input and of hidden state.
    public static let parts = 1

    /// What a sum goes through.
    public enum Activation: String, Sendable {
        case tanh
        case relu
    }

    let scan: FeedbackScan
    private let activation: Activation

    /// Packs the weights. `input` and `hidden` fill their last argument with the weights of (part 0, channel): `inputs`
    /// and `channels` values.
    public init<E: Error>(
        _ type: WeightType = .f32, activation: Activation, channels: Int, inputs: Int, inputBias: [[Float]?],
        hiddenBias: [[Float]?], input: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void,
        hidden: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        self.activation = activation
        scan = try FeedbackScan(
            type, parts: Self.parts, channels: channels, inputs: inputs, memories: 0,
            biases: .init(input: inputBias, hidden: hiddenBias), input: input, recurrent: hidden)
    }

    public func apply(
        _ x: Matrix, _ batch: Batch, states: Matrix, at offset: Int, into y: Matrix, work: [Matrix],
        by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        let place = Place(states: states, offset: offset, hidden: y)
        switch activation {
        case .tanh: scan.apply(RNNCell<Tanh>.self, x, batch, place, work, member, scratch)
        case .relu: scan.apply(RNNCell<ReLU>.self, x, batch, place, work, member, scratch)
        }
    }
}
