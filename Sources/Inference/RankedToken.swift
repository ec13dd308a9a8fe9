import Kernels

/// A token and the logarithm of its probability.
public struct RankedToken: Sendable, Equatable {
    public let token: Int
    public let logprob: Float

    /// The `count` likeliest tokens after an output, the likeliest first; of equals the lower id.
    public static func best(_ count: Int, of logits: ArraySlice<Float>) -> [RankedToken] {
        let total = logSumExp(logits)
        let first = logits.startIndex
        let tokens: [Int]
        if count == 1 {
            tokens = logits.indices.max { (logits[$0], $1) < (logits[$1], $0) }.map { [$0] } ?? []
        } else {
            tokens = Array(logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }.prefix(count))
        }
        return tokens.map { RankedToken(token: $0 - first, logprob: logits[$0] - total) }
    }
}
