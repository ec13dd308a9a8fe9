/// How the weights of products are kept in memory. They are widened in registers; sums are always float32.
public enum WeightType: String, Sendable, CaseIterable {
    case f32
    /// IEEE half precision.
    case f16
    /// Whole numbers −127…127, with one float32 scale per output.
    case int8

    /// Bytes of one weight.
    var size: Int {
        switch self {
        case .f32: 4
        case .f16: 2
        case .int8: 1
        }
    }
}

/// A weight as it lies in a panel.
protocol PackedWeight {
    /// Eight consecutive weights as float32; exact.
    static func widen(_ from: UnsafeRawPointer) -> Vector
}

extension Float: PackedWeight {
    @inline(__always)
    static func widen(_ from: UnsafeRawPointer) -> Vector { unsafe from.loadUnaligned(as: Vector.self) }
}

extension Float16: PackedWeight {
    @inline(__always)
    static func widen(_ from: UnsafeRawPointer) -> Vector {
        Vector(unsafe from.loadUnaligned(as: SIMD8<Float16>.self))
    }
}

extension Int8: PackedWeight {
    @inline(__always)
    static func widen(_ from: UnsafeRawPointer) -> Vector {
        Vector(SIMD8<Int32>(truncatingIfNeeded: unsafe from.loadUnaligned(as: SIMD8<Int8>.self)))
    }
}
