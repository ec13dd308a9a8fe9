/// The fastest a core multiplies and adds: fused multiply-adds on registers alone, which benchmarks measure others by.
public enum MultiplyAddPeak {
    /// Independent chains: more than a processor with two units and a latency of five cycles needs, and few enough for
    /// sixteen registers.
    private static let chains = 12

    /// Fused multiply-adds that one iteration does.
    public static let multiplyAdds = chains * Vector.scalarCount

    /// Does `iterations` × `multiplyAdds` of them on the calling thread. Whoever uses the result keeps the loop alive.
    @inline(never)
    public static func run(iterations: Int) -> Float {
        // Different from chain to chain, or the compiler would compute one for all. Each tends to 2.
        let (factor, term) = (Vector(repeating: 0.5), Vector(repeating: 1))
        var (a, b, c, d) = (start(0), start(1), start(2), start(3))
        var (e, f, g, h) = (start(4), start(5), start(6), start(7))
        var (i, j, k, l) = (start(8), start(9), start(10), start(11))
        for _ in 0..<iterations {
            a = term.addingProduct(a, factor)
            b = term.addingProduct(b, factor)
            c = term.addingProduct(c, factor)
            d = term.addingProduct(d, factor)
            e = term.addingProduct(e, factor)
            f = term.addingProduct(f, factor)
            g = term.addingProduct(g, factor)
            h = term.addingProduct(h, factor)
            i = term.addingProduct(i, factor)
            j = term.addingProduct(j, factor)
            k = term.addingProduct(k, factor)
            l = term.addingProduct(l, factor)
        }
        let sum = ((a + b) + (c + d)) + ((e + f) + (g + h)) + ((i + j) + (k + l))
        return sum.treeSum
    }

    private static func start(_ chain: Int) -> Vector { Vector(repeating: Float(chain)) }
}
