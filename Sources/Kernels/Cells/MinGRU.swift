import Threading

/// z and h̃ of a minGRU. Parts: candidate, gate.
private enum MinGRUGates<C: CandidateFunction>: GatedCell {
    static var parts: Int { 2 }

    @inline(__always)
    static func gates(_ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>) -> Gates {
        // z = σ(W_z x + b_z), h̃ = g(W_h x + b_h); h ← (1 − z)·h + z·h̃ (arXiv 2410.01201, section 3.1).
        unsafe Gates(take: sigmoid(sums[1] + bias[1]), candidate: C.apply(sums[0] + bias[0]))
    }
}

/// A layer of minGRU (arXiv 2410.01201, section 3.1). State: the hidden state.
public final class MinGRU: GatedKernel {
    /// Linear maps of the input: candidate, gate.
    public static let parts = 2

    let scan: FusedScan
    private let candidate: Candidate

    /// Packs the parts. `row` fills its last argument (`inputs` values) with the weights of (part, channel).
    public init<E: Error>(
        _ type: WeightType = .f32, candidate: Candidate, channels: Int, inputs: Int, bias: [[Float]?],
        row: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        self.candidate = candidate
        scan = try FusedScan(type, parts: Self.parts, channels: channels, inputs: inputs, bias: bias, row: row)
    }

    public func apply(
        _ x: Matrix, _ batch: Batch, states: Matrix, at offset: Int, into y: Matrix, work: [Matrix],
        by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        let place = Place(states: states, offset: offset, hidden: y)
        switch candidate {
        case .logSpace: scan.apply(MinGRUGates<LogSpace>.self, x, batch, place, work, member, scratch)
        case .vanilla: scan.apply(MinGRUGates<Vanilla>.self, x, batch, place, work, member, scratch)
        }
    }
}
