/// A session that has come back from the store, and the inputs that lead from there to where it stands.
public struct Restoration: Sendable {
    public let record: SessionRecord
    /// The state as its bytes; a list of float32, little-endian.
    public internal(set) var state: [UInt8]
    /// The step it is of.
    public internal(set) var step: Int
    /// To be absorbed, in order; each as one input by itself.
    public internal(set) var inputs: [Absorbed]
    let storedVersion: UInt64

    /// The state's values, as its model has them.
    public var values: [Float] {
        unsafe state.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 4).map {
                unsafe bytes.loadUnaligned(fromByteOffset: $0, as: Float.self)
            }
        }
    }

    /// The same when the first of its inputs has been absorbed.
    public func after(_ values: [Float], _ step: Int) -> Restoration {
        var next = self
        next.state = unsafe values.withUnsafeBytes { unsafe Array($0) }
        next.step = step
        next.inputs.removeFirst()
        return next
    }
}
