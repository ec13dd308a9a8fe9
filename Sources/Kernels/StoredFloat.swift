/// A floating-point format that checkpoints store, little-endian; widened to float32 on the way in.
///
/// It lives here because only this module is compiled for processors that convert half precision in hardware.
public enum StoredFloat: String, Sendable {
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"

    /// Bytes of one value.
    public var size: Int { self == .float32 ? 4 : 2 }

    /// Widens `target.count` values from the beginning of `source`. Exact: every stored value is a float32.
    /// - Returns: whether all of them are finite.
    public func widen(_ source: UnsafeRawBufferPointer, into target: inout [Float]) -> Bool {
        precondition(source.count >= target.count * size, "\(source.count) bytes for \(target.count) values")
        guard let base = source.baseAddress else { return true }
        return unsafe target.withUnsafeMutableBufferPointer { target in
            switch self {
            case .float32:
                unsafe convert(target) { index in
                    let bits = unsafe base.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
                    return Float(bitPattern: UInt32(littleEndian: bits))
                }
            case .float16:
                unsafe convert(target) { index in
                    let bits = unsafe base.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
                    return Float(Float16(bitPattern: UInt16(littleEndian: bits)))
                }
            case .bfloat16:
                unsafe convert(target) { index in
                    let bits = unsafe base.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
                    return Float(bitPattern: UInt32(UInt16(littleEndian: bits)) << 16)
                }
            }
        }
    }

    @inline(__always)
    private func convert(_ target: UnsafeMutableBufferPointer<Float>, _ value: (Int) -> Float) -> Bool {
        // x − x is zero for a finite x and NaN otherwise; the bits of all of them together tell.
        var seen: UInt32 = 0
        for index in 0..<target.count {
            let x = value(index)
            unsafe target[index] = x
            seen |= (x - x).bitPattern
        }
        return seen & 0x7FFF_FFFF == 0
    }
}
