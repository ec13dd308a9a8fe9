// Elementary functions in single precision, a vector at a time. They use multiply-adds, divisions and bit patterns only,
// so every machine with IEEE arithmetic computes the same bytes; libm would not promise that.

/// e^x, relative error below 1.5e-7; 0 below −104, +∞ above 88.73, NaN for NaN.
@inline(__always)
func exp(_ x: Vector) -> Vector {
    // x = n ln 2 + r with |r| ≤ ln 2 / 2. Adding 1.5·2²³ rounds to an integer and leaves it in the low bits: a vector
    // conversion to Int32 would be eight scalar calls.
    let bounded = x.replacing(with: -104, where: x .< -104).replacing(with: 89, where: x .> 89)
    let magic = Vector(repeating: 12_582_912)
    let shifted = magic.addingProduct(bounded, Vector(repeating: 1.442_695_04))
    let n = shifted - magic
    // ln 2 in two parts; the first has few enough bits that n times it is exact.
    let r = bounded.addingProduct(n, Vector(repeating: -0.693_359_375))
        .addingProduct(n, Vector(repeating: 2.121_944_4e-4))
    var p = Vector(repeating: 1.393_375_389e-3)
    p = Vector(repeating: 8.363_249_173e-3).addingProduct(p, r)
    p = Vector(repeating: 4.166_646_398e-2).addingProduct(p, r)
    p = Vector(repeating: 1.666_657_656e-1).addingProduct(p, r)
    p = Vector(repeating: 0.5).addingProduct(p, r)
    let power = Vector(repeating: 1).addingProduct(r.addingProduct(p * r, r), Vector(repeating: 1))
    // 2ⁿ as a product of two halves, so that results below the normal range round instead of wrapping.
    let bits = SIMD8<Int32>(truncatingIfNeeded: unsafe unsafeBitCast(shifted, to: SIMD8<UInt32>.self) &- 0x4B40_0000)
    let half = bits &>> 1
    return power * twoTo(half) * twoTo(bits &- half)
}

/// 2ⁿ for n in −126…127, from its bit pattern.
@inline(__always)
private func twoTo(_ n: SIMD8<Int32>) -> Vector {
    unsafe unsafeBitCast((n &+ 127) &<< 23, to: Vector.self)
}

/// 1 / (1 + e^−x).
@inline(__always)
func sigmoid(_ x: Vector) -> Vector {
    1 / (1 + exp(-x))
}

/// The error function, absolute error below 1.3e-7.
///
/// |x| ≤ 1: x times a polynomial in x². Above: 1 − exp of a polynomial fitted to ln erfc; 1 from 4 on.
@inline(__always)
func erf(_ x: Vector) -> Vector {
    let a = x.replacing(with: -x, where: x .< 0)
    let s = x * x
    var small = Vector(repeating: ErrorFunction.small.6)
    small = Vector(repeating: ErrorFunction.small.5).addingProduct(small, s)
    small = Vector(repeating: ErrorFunction.small.4).addingProduct(small, s)
    small = Vector(repeating: ErrorFunction.small.3).addingProduct(small, s)
    small = Vector(repeating: ErrorFunction.small.2).addingProduct(small, s)
    small = Vector(repeating: ErrorFunction.small.1).addingProduct(small, s)
    small = Vector(repeating: ErrorFunction.small.0).addingProduct(small, s)
    let b = a.replacing(with: 4, where: a .> 4)
    var q = Vector(repeating: ErrorFunction.large.8)
    q = Vector(repeating: ErrorFunction.large.7).addingProduct(q, b)
    q = Vector(repeating: ErrorFunction.large.6).addingProduct(q, b)
    q = Vector(repeating: ErrorFunction.large.5).addingProduct(q, b)
    q = Vector(repeating: ErrorFunction.large.4).addingProduct(q, b)
    q = Vector(repeating: ErrorFunction.large.3).addingProduct(q, b)
    q = Vector(repeating: ErrorFunction.large.2).addingProduct(q, b)
    q = Vector(repeating: ErrorFunction.large.1).addingProduct(q, b)
    q = Vector(repeating: ErrorFunction.large.0).addingProduct(q, b)
    let large = 1 - exp(q)
    let signed = large.replacing(with: -large, where: x .< 0)
    return signed.replacing(with: x * small, where: a .<= 1).replacing(with: x, where: x .!= x)
}

/// Least-squares fits at Chebyshev nodes.
private enum ErrorFunction {
    static let small: (Float, Float, Float, Float, Float, Float, Float) = (
        1.128_379_165_9, -3.761_262_690_4e-1, 1.128_359_746_3e-1, -2.685_432_879_6e-2, 5.189_311_942_7e-3,
        -8.018_854_993_5e-4, 7.882_497_113_8e-5
    )
    static let large: (Float, Float, Float, Float, Float, Float, Float, Float, Float) = (
        3.032_129_692_5e-4, -1.130_166_675_5, -6.319_370_936_7e-1, -1.099_782_451_2e-1, 2.636_471_736_0e-2,
        -4.740_222_340_5e-3, 5.927_695_375_8e-4, -4.559_062_241_6e-5, 1.614_061_601_5e-6
    )
}

/// x · Φ(x), the exact (erf) form of GELU.
@inline(__always)
func gelu(_ x: Vector) -> Vector {
    let half = 0.5 * x
    return half.addingProduct(half, erf(x * 0.707_106_78))
}

/// g of the log-space training form (arXiv 2410.01201, appendix B): x + 0.5 for x ≥ 0, else σ(x). Always positive.
@inline(__always)
func positive(_ x: Vector) -> Vector {
    sigmoid(x).replacing(with: x + 0.5, where: x .>= 0)
}

/// The natural logarithm of a positive, finite, normal `x`, relative error below 1e-12.
public func naturalLogarithm(_ x: Double) -> Double {
    precondition(x.isNormal && x > 0, "logarithm of \(x)")
    var exponent = Double(x.exponent)
    var m = x.significand
    if m > 1.414_213_562_373_095_1 {
        m *= 0.5
        exponent += 1
    }
    // ln m = 2 artanh s with s = (m − 1) / (m + 1), |s| ≤ 0.172: the series to s¹⁵ is exact to 1e-13.
    let s = (m - 1) / (m + 1)
    let t = s * s
    var series = 0.0
    for n in stride(from: 17, through: 1, by: -2) { series = 1 / Double(n) + t * series }
    return exponent * 0.693_147_180_559_945_31 + 2 * s * series
}
