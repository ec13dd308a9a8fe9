/// What one thread computes products in.
@safe public final class Scratch {
    /// One block of a panel, widened.
    let weights: UnsafeMutablePointer<Vector>
    /// The tiles of a block of rows.
    let sums: UnsafeMutablePointer<Vector>

    public init() {
        unsafe weights = Self.allocate(Panels.blockInputs * 4)
        unsafe sums = Self.allocate(Panels.blockRows * 8)
    }

    deinit {
        unsafe weights.deallocate()
        unsafe sums.deallocate()
    }

    private static func allocate(_ vectors: Int) -> UnsafeMutablePointer<Vector> {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: vectors * 32, alignment: 64)
        return unsafe memory.bindMemory(to: Vector.self, capacity: vectors)
    }
}
