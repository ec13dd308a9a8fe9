/// i' of a minLSTM, its gates normalised: i / (f + i) of the sigmoids f and i of `forget` and `input` (arXiv
/// 2410.01201, section 3.2). f' is 1 − i', so a step is h + i'·(h̃ − h).
///
/// The quotient is (1 + e^−f) / ((1 + e^−f) + (1 + e^−i)): 0/0 as written where both gates are below −89, so the
/// largest of 1 and of the powers of two in both exponentials is taken out of all three; their fractions go into the
/// one quotient. Gates beyond ±2e6 count as ±2e6, NaN makes NaN.
@inline(__always)
func inputGate(forget: Vector, input: Vector) -> Vector {
    let f = ExponentialParts(sign: -1, forget.clamped(-2e6, 2e6), bias: 0)
    let i = ExponentialParts(sign: -1, input.clamped(-2e6, 2e6), bias: 0)
    let unit = Vector(repeating: 12_582_912)
    let larger = f.shifted.replacing(with: i.shifted, where: i.shifted .> f.shifted)
    let largest = larger.replacing(with: unit, where: larger .< unit)
    let one = power(unit, below: largest)
    let (fDivisor, iDivisor) = (f.even + f.r, i.even + i.r)
    // 1 + e^−f and 1 + e^−i times their divisors, then each times the other's.
    let take = (fDivisor * one).addingProduct(power(f.shifted, below: largest), f.even - f.r) * iDivisor
    let keep = (iDivisor * one).addingProduct(power(i.shifted, below: largest), i.even - i.r)
    return take / take.addingProduct(keep, fDivisor)
}

/// 2^(n − m) of two numbers that carry n and m behind 1.5·2²³; 0 where that is below the normal range.
@inline(__always)
private func power(_ n: Vector, below m: Vector) -> Vector {
    let zero = SIMD8<Int32>(repeating: 0)
    let exponent = n.bits &- m.bits &+ SIMD8<Int32>(repeating: 127)
    return Vector(bits: exponent.replacing(with: zero, where: exponent .< zero) &<< 23)
}
