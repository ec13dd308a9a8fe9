import CTile

/// The fastest a core multiplies and adds: fused multiply-adds on registers alone, which benchmarks measure others by.
public enum MultiplyAddPeak {
    /// Independent chains, of vectors as wide as the processor has them: more than two units with a latency of five
    /// cycles need, and few enough for sixteen registers.
    private static let chains = 12

    /// Fused multiply-adds that one iteration does.
    public static let multiplyAdds =
        TileWidth.widest == .sixteen ? ctile_peak_chains * 16 : chains * Vector.scalarCount

    /// Does `iterations` × `multiplyAdds` of them on the calling thread. Whoever uses the result keeps the loop alive.
    @inline(never)
    public static func run(iterations: Int) -> Float {
        if TileWidth.widest == .sixteen { return ctile_peak(iterations) }
        // Different from chain to chain, or the compiler would compute one for all. Each tends to 2.
        let (factor, term) = (Vector(repeating: 0.5), Vector(repeating: 1))
        var sums = InlineArray<12, Vector> { Vector(repeating: Float($0)) }
        for _ in 0..<iterations {
            for chain in 0..<chains { sums[chain] = term.addingProduct(sums[chain], factor) }
        }
        var sum = Vector.zero
        for chain in 0..<chains { sum += sums[chain] }
        return sum.treeSum
    }
}
