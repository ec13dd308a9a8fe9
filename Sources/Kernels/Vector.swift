/// Eight lanes: one AVX2 register, two NEON ones.
typealias Vector = SIMD8<Float>

@inline(__always)
func load(_ from: UnsafePointer<Float>) -> Vector {
    unsafe UnsafeRawPointer(from).loadUnaligned(as: Vector.self)
}

@inline(__always)
func store(_ value: Vector, _ to: UnsafeMutablePointer<Float>) {
    unsafe UnsafeMutableRawPointer(to).storeBytes(of: value, as: Vector.self)
}

/// The first `count` values, zeros behind them. `count` is 1 to 8.
@inline(__always)
func load(_ from: UnsafePointer<Float>, first count: Int) -> Vector {
    if count >= Vector.scalarCount { return unsafe load(from) }
    var value = Vector.zero
    for lane in 0..<count { value[lane] = unsafe from[lane] }
    return value
}

@inline(__always)
func store(_ value: Vector, _ to: UnsafeMutablePointer<Float>, first count: Int) {
    if count >= Vector.scalarCount { return unsafe store(value, to) }
    for lane in 0..<count { unsafe to[lane] = value[lane] }
}

extension Vector {
    @inline(__always)
    init(bits: SIMD8<Int32>) { self = unsafe unsafeBitCast(bits, to: Vector.self) }

    @inline(__always)
    var bits: SIMD8<Int32> { unsafe unsafeBitCast(self, to: SIMD8<Int32>.self) }

    /// The lanes no less than `low` and no greater than `high`, NaN where they are NaN: two instructions.
    @inline(__always)
    func clamped(_ low: Float, _ high: Float) -> Vector {
        let raised = replacing(with: low, where: self .< low)
        return raised.replacing(with: high, where: raised .> high)
    }

    /// The sum of the lanes by one fixed tree: halves, quarters, pairs. The same whatever the batch.
    @inline(__always)
    var treeSum: Float {
        let four = lowHalf + highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }
}

extension Int {
    @inline(__always)
    func roundedUp(to multiple: Int) -> Int { (self + multiple - 1) / multiple * multiple }
}
