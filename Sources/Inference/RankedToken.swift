import Kernels

/// A token and the logarithm of its probability.
public struct RankedToken: Sendable, Equatable {
    public let token: Int
    public let logprob: Float

    /// The `count` likeliest tokens after an output, the likeliest first; of equals the lower id.
    public static func best(_ count: Int, of logits: ArraySlice<Float>) -> [RankedToken] {
        let total = logSumExp(logits)
        let first = logits.startIndex
        let tokens = Array(logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }.prefix(count))
        return tokens.map { RankedToken(token: $0 - first, logprob: logits[$0] - total) }
    }

    /// The likeliest token after an output, which must not be empty; of equals the lowest id.
    public static func best(of logits: ArraySlice<Float>) -> RankedToken {
        let values = logits.span
        var best = 0
        for index in values.indices where values[index] > values[best] { best = index }
        return RankedToken(token: best, logprob: values[best] - logSumExp(logits))
    }
}
