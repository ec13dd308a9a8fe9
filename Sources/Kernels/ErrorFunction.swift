/// erf x, absolute error below 2.4e-7 (2 ulp at the scale of 1) and relative error below 2.4e-7 near zero; odd to the bit,
/// ±1 beyond ±3.93, NaN for NaN.
@inline(__always)
func erf(_ x: Vector) -> Vector {
    // erf y = y · (¼ + P(y²) / Q(y²)). Where erf is near 1 the fraction is a small part of the sum, and so are the roundings
    // of its long chains.
    let y = x.clamped(-3.9, 3.9)
    let u = y * y
    // A rational minimax approximation (2e-8 without rounding) by iteratively weighted least squares, its floats then moved
    // ulp by ulp towards the smallest rounded error.
    var p = Vector(repeating: -0.111_926_965).addingProduct(u, Vector(repeating: -0.196_002_871))
    p = Vector(repeating: 0.256_044_179).addingProduct(p, u)
    p = Vector(repeating: 632.698_059).addingProduct(p, u)
    p = Vector(repeating: 1_680.494_51).addingProduct(p, u)
    p = Vector(repeating: 22_952.142_6).addingProduct(p, u)
    var q = u + 30.242_671_97
    q = Vector(repeating: 389.714_294).addingProduct(q, u)
    q = Vector(repeating: 2_974.112_30).addingProduct(q, u)
    q = Vector(repeating: 13_102.206_1).addingProduct(q, u)
    q = Vector(repeating: 26_130.109_4).addingProduct(q, u)
    return (y * (p / q + 0.25)).clamped(-1, 1)
}
