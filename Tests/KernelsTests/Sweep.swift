@testable import Kernels

/// Every `stride`-th bit pattern of a float, eight at a time: all exponents, both signs, denormals, infinities and
/// NaNs.
func sweep(stride: UInt64, _ body: (Vector) -> Void) {
    var pattern: UInt64 = 0
    while pattern <= UInt64(UInt32.max) {
        var x = Vector.zero
        for lane in 0..<8 {
            x[lane] = Float(bitPattern: UInt32(truncatingIfNeeded: min(pattern, UInt64(UInt32.max))))
            pattern += stride
        }
        body(x)
    }
}

/// `count` floats from `low` to `high` at equal distances, eight at a time.
func ramp(_ low: Double, _ high: Double, count: Int, _ body: (Vector) -> Void) {
    for first in Swift.stride(from: 0, to: count, by: 8) {
        var x = Vector.zero
        for lane in 0..<8 {
            x[lane] = Float(low + (high - low) * Double(min(first + lane, count - 1)) / Double(count - 1))
        }
        body(x)
    }
}

/// The largest error met, and where.
struct Worst {
    var error = 0.0
    var at: Float = 0

    mutating func meet(_ error: Double, at x: Float) {
        // A NaN error must count, so the comparison is the other way round.
        if !(error <= self.error) { (self.error, at) = (error, x) }
    }

    /// The distance of `value` from `truth`, in units of the last place of the float nearest to the truth.
    mutating func meet(_ value: Float, _ truth: Double, at x: Float) {
        meet(abs(Double(value) - truth) / Double(max(Float(truth).ulp, .leastNonzeroMagnitude)), at: x)
    }
}

/// Whether two floats are the same bits, or both NaN.
func same(_ a: Float, _ b: Float) -> Bool { a.bitPattern == b.bitPattern || a.isNaN && b.isNaN }

/// One value through a function of vectors, in every lane: they must agree.
func scalar(_ function: (Vector) -> Vector, _ x: Float) -> Float {
    let y = function(Vector(repeating: x))
    for lane in 1..<8 { precondition(same(y[lane], y[0]), "lanes of \(x) differ: \(y)") }
    return y[0]
}
