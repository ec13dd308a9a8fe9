/// x · Φ(x), the exact (erf) form of GELU, error below 2.1e-7 · max(|x|, ½): 2 ulp at the scale of x.
///
/// x from 5.66 on, 0 from −5.66 down; NaN for NaN and, as in PyTorch, for −∞.
@inline(__always)
func gelu(_ x: Vector) -> Vector {
    // Φ(y) − ½ = y · P(y²) / Q(y²). At the clamp P is 2²⁴ and y / Q is 2⁻²⁵ to the bit: their product is exactly ½, so
    // that ±1e30 come out as 1e30 and 0.
    let y = x.clamped(-5.659_142_97, 5.659_142_97)
    let u = y * y
    let v = u * u
    // A rational minimax approximation (1e-8 without rounding) by iteratively weighted least squares, its coefficients
    // then moved ulp by ulp towards the smallest error after rounding.
    var p = Vector(repeating: 5.445_004_46).addingProduct(u, Vector(repeating: 0.018_600_663_2))
    p = Vector(repeating: 151.876_16).addingProduct(p, u)
    p = Vector(repeating: 4_038.845_95).addingProduct(p, u)
    p = Vector(repeating: 29_688.093_8).addingProduct(p, u)
    p = Vector(repeating: 340_512.313).addingProduct(p, u)
    // The division waits for Q: not one step after the other, but pairs at once.
    let low = Vector(repeating: 853_537.938).addingProduct(u, Vector(repeating: 216_672.281))
    let middle = Vector(repeating: 24_899.398_4).addingProduct(u, Vector(repeating: 1_652.511_72))
    let q = low.addingProduct(v, middle.addingProduct(v, u + 65.198_234_6))
    return x * Vector(repeating: 0.5).addingProduct(p, y / q)
}
