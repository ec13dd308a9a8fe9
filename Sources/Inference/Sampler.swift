import Kernels

/// Draws the next token from logits.
struct Sampler: Sendable {
    let temperature: Float
    let topK: Int
    let topP: Float
    let seed: UInt64

    /// The token that follows when the sequence has absorbed `step` inputs. A pure function of logits, seed and step.
    func draw(_ logits: [Float], step: Int) -> Int {
        let scale = 1 / temperature
        // The inverse of a denormal temperature is infinite, and 0 · ∞ would make the likeliest token's weight NaN.
        if !scale.isFinite { return logits.indices.max { logits[$0] < logits[$1] }! }
        var weights = logits
        exponentiate(&weights, scale: scale)
        var tokens = Array(weights.indices)
        if topK > 0 || topP < 1 {
            // Equal weights keep the order of their ids: a sort that need not be stable must not decide.
            tokens.sort { (weights[$0], $1) > (weights[$1], $0) }
            if topK > 0 && topK < tokens.count { tokens.removeSubrange(topK...) }
            if topP < 1 {
                let enough = Double(topP) * tokens.reduce(0.0) { $0 + Double(weights[$1]) }
                var sum = 0.0
                let kept = tokens.firstIndex { token in
                    sum += Double(weights[token])
                    return sum >= enough
                }
                if let kept { tokens.removeSubrange((kept + 1)...) }
            }
        }
        let total = tokens.reduce(0.0) { $0 + Double(weights[$1]) }
        var left = uniform(step: step) * total
        for token in tokens {
            left -= Double(weights[token])
            if left < 0 { return token }
        }
        return tokens.last { weights[$0] > 0 }!
    }

    /// A number in 0 ..< 1: the SplitMix64 finaliser over seed and step, so no generator state has to be kept.
    private func uniform(step: Int) -> Double {
        var bits = mix(seed &+ 0x9E37_79B9_7F4A_7C15)
        bits = mix(bits ^ mix(UInt64(step) &+ 0x9E37_79B9_7F4A_7C15))
        return Double(bits >> 11) * 0x1p-53
    }

    private func mix(_ value: UInt64) -> UInt64 {
        var x = value
        x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
        return x ^ (x >> 31)
    }
}
