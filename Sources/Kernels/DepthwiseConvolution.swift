import Threading

/// A causal convolution over time, one filter per channel: y_t = b + Σ_k w_k · x_{t − K + 1 + k}.
///
/// The last K − 1 inputs of a sequence are part of its state: without them a step after a prefill would see zeros.
public struct DepthwiseConvolution: Sendable {
    /// K, the number of time steps one output sees.
    public let kernel: Int
    public let channels: Int
    /// Values that a sequence keeps: (K − 1) × channels, the oldest first.
    public var window: Int { (kernel - 1) * channels }
    /// K rows of padded channels, oldest input first.
    private let weight: [Float]
    private let bias: [Float]
    private let stride: Int

    /// `weight` is channels × K, as PyTorch's Conv1d has it with its middle axis of one dropped.
    public init(kernel: Int, channels: Int, weight: [Float], bias: [Float]?) {
        precondition(
            kernel > 0 && weight.count == kernel * channels, "\(weight.count) weights for \(channels) × \(kernel)")
        (self.kernel, self.channels) = (kernel, channels)
        stride = channels.roundedUp(to: 8)
        var transposed = [Float](repeating: 0, count: kernel * stride)
        for channel in 0..<channels {
            for k in 0..<kernel { transposed[k * stride + channel] = weight[channel * kernel + k] }
        }
        self.weight = transposed
        self.bias = (bias ?? []) + [Float](repeating: 0, count: stride - (bias?.count ?? 0))
    }

    /// y ← conv(x), and the windows in `states` from `offset` on move past the rows. `y` must not be `x`.
    ///
    /// Members of a team take groups of channels.
    public func apply(
        _ x: Matrix, _ batch: Batch, states: Matrix, at offset: Int, into y: Matrix, by member: borrowing Team.Member
    ) {
        let sequences = batch.sequences
        precondition(x.columns == channels && y.columns == channels && x !== y)
        precondition(sequences.count <= x.rows && sequences.count <= y.rows && offset + window <= states.columns)
        for sequence in sequences { precondition(sequence >= 0 && sequence < states.rows, "sequence \(sequence)") }
        unsafe weight.withUnsafeBufferPointer { weight in
            unsafe bias.withUnsafeBufferPointer { bias in
                member.share((channels + Self.group - 1) / Self.group) { unit in
                    let channels = unit * Self.group..<min(channels, (unit + 1) * Self.group)
                    for row in sequences.indices {
                        let past = unsafe states.base + sequences[row] * states.stride + offset
                        let present = unsafe UnsafePointer(x.base + row * x.stride)
                        let to = unsafe y.base + row * y.stride
                        unsafe filter(channels, past, present, to, weight.baseAddress!, bias.baseAddress!)
                    }
                }
            }
        }
        member.barrier()
    }

    /// Channels that a member of a team takes at a time.
    private static let group = 64

    /// One row: the outputs of `range`, whose window then moves on.
    private func filter(
        _ range: Range<Int>, _ past: UnsafeMutablePointer<Float>, _ present: UnsafePointer<Float>,
        _ to: UnsafeMutablePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>
    ) {
        for channel in Swift.stride(from: range.lowerBound, to: range.upperBound, by: 8) {
            let lanes = range.upperBound - channel
            var total = Vector.zero
            for k in 0..<(kernel - 1) {
                let input = unsafe load(past + k * channels + channel, first: lanes)
                total = total.addingProduct(input, unsafe load(weight + k * stride + channel))
            }
            let last = unsafe load(weight + (kernel - 1) * stride + channel)
            total = total.addingProduct(unsafe load(present + channel), last)
            unsafe store(total + load(bias + channel), to + channel)
        }
        guard kernel > 1 else { return }
        for k in 0..<(kernel - 2) {
            unsafe (past + k * channels + range.lowerBound).update(
                from: past + (k + 1) * channels + range.lowerBound, count: range.count)
        }
        unsafe (past + (kernel - 2) * channels + range.lowerBound).update(
            from: present + range.lowerBound, count: range.count)
    }
}
