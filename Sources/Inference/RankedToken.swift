import Kernels

/// A token and the logarithm of its probability.
public struct RankedToken: Sendable, Equatable {
    public let token: Int
    public let logprob: Float

    /// The `count` likeliest tokens after an output, the likeliest first; of equals the lower id.
    public static func best(_ count: Int, of logits: ArraySlice<Float>) -> [RankedToken] {
        let total = logSumExp(logits.span)
        let first = logits.startIndex
        return likeliest(count, logits).map { RankedToken(token: $0 - first, logprob: logits[$0] - total) }
    }

    private static func likeliest(_ count: Int, _ logits: ArraySlice<Float>) -> [Int] {
        if count > 64 { return Array(logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }.prefix(count)) }
        if count == 0 { return [] }
        // Few are found in one look at each, for a vocabulary is large.
        var best: [Int] = []
        for index in logits.indices where best.count < count || logits[index] > logits[best.last!] {
            if best.count == count { best.removeLast() }
            best.insert(index, at: best.firstIndex { logits[$0] < logits[index] } ?? best.count)
        }
        return best
    }

    /// The likeliest token after an output, which must not be empty; of equals the lowest id.
    public static func best(of logits: ArraySlice<Float>) -> RankedToken {
        let values = logits.span
        let best = indexOfLargest(values)
        return RankedToken(token: best, logprob: values[best] - logSumExp(values))
    }
}

/// A token that came after an output, and what could have come.
public struct ScoredToken: Sendable, Equatable {
    public let token: Int
    public let logprob: Float
    /// The likeliest tokens, the likeliest first.
    public let top: [RankedToken]

    /// - Parameter count: of the likeliest.
    init(_ token: Int, after logits: ArraySlice<Float>, count: Int) {
        self.token = token
        logprob = logits[logits.startIndex + token] - logSumExp(logits.span)
        top = count > 0 ? RankedToken.best(count, of: logits) : []
    }
}
