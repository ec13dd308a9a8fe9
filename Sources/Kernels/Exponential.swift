// e^x and the functions made of it, a vector at a time. They use additions, multiply-adds, one division and bit
// patterns, never libm and never an approximate reciprocal: every machine with IEEE arithmetic computes the same bytes.

/// e^±x as 2ⁿ · (even ± r) / (even ∓ r), where n is the integer nearest to ±x / ln 2, r = x ∓ n ln 2 and
/// even = r · coth(r / 2).
///
/// That function is even and so nearly constant that 2 + r²/6 and one small term give e^r to 5e-10. A sum made of such
/// a power needs no quotient of its own: σ, tanh and the cells divide once, at their end.
struct ExponentialParts {
    /// 1.5·2²³ + `bias` + n: n + `bias` stands in the low bits, what is above them drops out of a shift by 23.
    let shifted: Vector
    let r: Vector
    let even: Vector

    /// - Parameters:
    ///   - sign: 1 or −1. Swift's −x would be a subtraction from zero.
    ///   - x: within ±2e6. Anything beyond must be clamped; NaN makes r and even NaN.
    ///   - bias: a small integer to be added to n.
    @inline(__always)
    init(sign: Float = 1, _ x: Vector, bias: Float) {
        // Adding 1.5·2²³ rounds to an integer and leaves it in the low bits: a vector conversion to Int32 would be
        // eight scalar calls.
        let magic = Vector(repeating: 12_582_912 + bias)
        shifted = magic.addingProduct(x, Vector(repeating: sign * 1.442_695_04))
        let n = shifted - magic
        // ln 2 is the sum of a float and a correction, which is too small to matter for even.
        let near = x.addingProduct(n, Vector(repeating: sign * -0.693_147_182))
        r = near.addingProduct(n, Vector(repeating: sign * 1.904_654_3e-9))
        let square = near * near
        // Minimax for e^r over |r| ≤ ln 2 / 2, by iteratively weighted least squares; the 2 is kept, for e^0 = 1.
        let slope = Vector(repeating: 0.166_666_18).addingProduct(square, Vector(repeating: -2.765_963_1e-3))
        even = Vector(repeating: 2).addingProduct(square, slope)
    }

    /// 2ⁿ for n in −127…128, if the bias was 127: as far as the bit pattern goes, so 0 for −127 and +∞ for 128.
    @inline(__always)
    var power: Vector { Vector(bits: shifted.bits &<< 23) }
}

/// e^x, error below 1.5 ulp; +∞ above 88.73, gradually to 0 below the normal range, 0 below −104, NaN for NaN.
@inline(__always)
func exp(_ x: Vector) -> Vector {
    let e = ExponentialParts(x.clamped(-104, 89), bias: 254)
    // (even + r) / (even − r) = 1 + 2r / (even − r): the quotient is small, and so is its rounding.
    let fraction = 1 + (e.r + e.r) / (e.even - e.r)
    // 2ⁿ as a product of two halves, so that results below the normal range round instead of wrapping.
    let exponent = e.shifted.bits
    let half = exponent &>> 1
    return fraction * Vector(bits: half &<< 23) * Vector(bits: (exponent &- half) &<< 23)
}

/// σ(x) = 1 / (1 + e^−x), relative error below 1.8e-7 wherever it is a normal number (x ≥ −87.33); 0 below −88.4, NaN
/// for NaN.
@inline(__always)
func sigmoid(_ x: Vector) -> Vector {
    sigmoid(bounded: x.clamped(-89, 87))
}

/// σ(x) for x in −89…87.
@inline(__always)
private func sigmoid(bounded x: Vector) -> Vector {
    let e = ExponentialParts(sign: -1, x, bias: 127)
    let divisor = e.even + e.r
    return divisor / divisor.addingProduct(e.power, e.even - e.r)
}

/// g of the log-space training form (arXiv 2410.01201, appendix B): x + 0.5 for x ≥ 0, else σ(x). Always positive down
/// to −88, where it leaves the normal range; 0 below −88.4, NaN for NaN.
@inline(__always)
func positive(_ x: Vector) -> Vector {
    // σ(0) is ½ to the bit, so the sum of both halves is exactly the one that counts: cheaper than a choice.
    let below = x.replacing(with: 0, where: x .> 0)
    let above = x.replacing(with: 0, where: x .< 0)
    return above + sigmoid(bounded: below.replacing(with: -89, where: below .< -89))
}

/// tanh x, relative error below 1.8e-7; odd to the bit, ±1 beyond ±9.02, NaN for NaN.
@inline(__always)
func tanh(_ x: Vector) -> Vector {
    // With e^2x = s (even + r) / (even − r), tanh x = (e^2x − 1) / (e^2x + 1). Sorted by s, nothing cancels: near zero
    // s = 1 and the numerator is 2r.
    let y = x.clamped(-9.5, 9.5)
    let e = ExponentialParts(y + y, bias: 127)
    let (minus, plus) = (e.power - 1, e.power + 1)
    return (plus * e.r).addingProduct(minus, e.even) / (minus * e.r).addingProduct(plus, e.even)
}
