/// The error function, absolute error below 1.3e-7.
///
/// |x| ≤ 1: x times a polynomial in x². Above: 1 − exp of a polynomial fitted to ln erfc; 1 from 4 on. Both are
/// least-squares fits at Chebyshev nodes.
@inline(__always)
func erf(_ x: Vector) -> Vector {
    let a = x.replacing(with: -x, where: x .< 0)
    let small = polynomial(
        x * x,
        [
            1.128_379_165_9, -3.761_262_690_4e-1, 1.128_359_746_3e-1, -2.685_432_879_6e-2, 5.189_311_942_7e-3,
            -8.018_854_993_5e-4, 7.882_497_113_8e-5,
        ])
    let logarithm = polynomial(
        a.replacing(with: 4, where: a .> 4),
        [
            3.032_129_692_5e-4, -1.130_166_675_5, -6.319_370_936_7e-1, -1.099_782_451_2e-1, 2.636_471_736_0e-2,
            -4.740_222_340_5e-3, 5.927_695_375_8e-4, -4.559_062_241_6e-5, 1.614_061_601_5e-6,
        ])
    let large = 1 - exp(logarithm)
    let signed = large.replacing(with: -large, where: x .< 0)
    return signed.replacing(with: x * small, where: a .<= 1).replacing(with: x, where: x .!= x)
}

/// c₀ + c₁ x + c₂ x² + …, from the last coefficient on (Horner's scheme).
@inline(__always)
private func polynomial<let count: Int>(_ x: Vector, _ coefficients: InlineArray<count, Float>) -> Vector {
    var sum = Vector(repeating: coefficients[count - 1])
    for index in (0..<count - 1).reversed() {
        sum = Vector(repeating: coefficients[index]).addingProduct(sum, x)
    }
    return sum
}
