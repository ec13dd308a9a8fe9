import Kernels

/// A token and the logarithm of its probability.
public struct RankedToken: Sendable, Equatable {
    public let token: Int
    public let logprob: Float

    /// The `count` likeliest tokens after an output, the likeliest first; of equals the lower id.
    public static func best(_ count: Int, of logits: ArraySlice<Float>) -> [RankedToken] {
        let total = logSumExp(logits.span)
        let first = logits.startIndex
        let tokens = Array(logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }.prefix(count))
        return tokens.map { RankedToken(token: $0 - first, logprob: logits[$0] - total) }
    }

    /// The likeliest token after an output, which must not be empty; of equals the lowest id.
    public static func best(of logits: ArraySlice<Float>) -> RankedToken {
        let values = logits.span
        let best = indexOfLargest(values)
        return RankedToken(token: best, logprob: values[best] - logSumExp(values))
    }
}
