/// x · Φ(x), the exact (erf) form of GELU, error below 2.1e-7 · max(|x|, ½): 2 ulp at the scale of x.
///
/// x from 5.3 on, 0 up to −5.3; NaN for NaN and, as in PyTorch, for −∞.
@inline(__always)
func gelu(_ x: Vector) -> Vector {
    // Φ(y) − ½ = y · P(y²) / Q(y²). At the clamp P is 2²⁹ and y / Q is 2⁻³⁰ to the bit: their product is ½, exactly, so
    // that ±1e30 come out as 1e30 and 0.
    let y = x.clamped(-5.297_611_2, 5.297_611_2)
    let u = y * y
    let v = u * u
    // A rational minimax approximation (4e-9 without rounding) by iteratively weighted least squares, its floats then moved
    // ulp by ulp towards the smallest rounded error.
    var p = u + 265.631_500_244_140_6
    p = Vector(repeating: 6_688.192_382_812_5).addingProduct(p, u)
    p = Vector(repeating: 192_650.359_375).addingProduct(p, u)
    p = Vector(repeating: 1_371_882.5).addingProduct(p, u)
    p = Vector(repeating: 16_597_838).addingProduct(p, u)
    // The quotient waits for Q: its halves and quarters at once, not one step after the other.
    let low = Vector(repeating: 41_604_624).addingProduct(u, Vector(repeating: 10_372_879))
    let middle = Vector(repeating: 1_171_637.875).addingProduct(u, Vector(repeating: 76_506.976_562_5))
    let high = Vector(repeating: 2_974.844_482_421_875).addingProduct(u, Vector(repeating: 51.471_851_348_876_95))
    let q = low.addingProduct(v, middle.addingProduct(v, high))
    return x * Vector(repeating: 0.5).addingProduct(p, y / q)
}
