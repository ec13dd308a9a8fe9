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
