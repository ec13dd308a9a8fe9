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
    public func apply(_ x: Matrix, sequences: [Int], states: Matrix, at offset: Int, into y: Matrix) {
        precondition(x.columns == channels && y.columns == channels && x !== y)
        precondition(sequences.count <= x.rows && sequences.count <= y.rows && offset + window <= states.columns)
        unsafe weight.withUnsafeBufferPointer { weight in
            unsafe bias.withUnsafeBufferPointer { bias in
                for row in sequences.indices {
                    precondition(sequences[row] >= 0 && sequences[row] < states.rows, "sequence \(sequences[row])")
                    let past = unsafe states.base + sequences[row] * states.stride + offset
                    let present = unsafe UnsafePointer(x.base + row * x.stride)
                    let to = unsafe y.base + row * y.stride
                    for channel in Swift.stride(from: 0, to: channels, by: 8) {
                        let lanes = channels - channel
                        var total = Vector.zero
                        for k in 0..<(kernel - 1) {
                            let input = unsafe load(past + k * channels + channel, first: lanes)
                            total = total.addingProduct(input, unsafe load(weight.baseAddress! + k * stride + channel))
                        }
                        let last = unsafe load(weight.baseAddress! + (kernel - 1) * stride + channel)
                        total = total.addingProduct(unsafe load(present + channel), last)
                        unsafe store(total + load(bias.baseAddress! + channel), to + channel)
                    }
                    guard kernel > 1 else { continue }
                    unsafe past.update(from: past + channels, count: (kernel - 2) * channels)
                    unsafe (past + (kernel - 2) * channels).update(from: present, count: channels)
                }
            }
        }
    }
}
