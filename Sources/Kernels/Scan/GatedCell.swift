import Threading

/// A cell that takes a part of its candidate and keeps a part of its hidden state, whatever that is: the linear
/// recurrence of an associative scan.
protocol GatedCell: FusedCell {
    /// What the cell makes of one input, for eight channels.
    static func gates(_ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>) -> Gates
}

extension GatedCell {
    @inline(__always)
    static func step(_ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ state: ChannelState) -> Vector {
        let gates = unsafe gates(sums, bias)
        let h = gates.step(unsafe state[0])
        unsafe state[0] = h
        return h
    }
}

/// What a gated cell makes of one input, for eight channels.
struct Gates {
    /// How much of the candidate is taken.
    var take: Vector
    var candidate: Vector
    /// How much of the hidden state is kept; nil for a cell where that is all that is not taken.
    var keep: Vector?

    /// The hidden state after `before`.
    @inline(__always)
    func step(_ before: Vector) -> Vector {
        guard let keep else { return before.addingProduct(take, candidate - before) }
        return (take * candidate).addingProduct(keep, before)
    }
}

/// The kernel of a gated cell.
protocol GatedKernel: CellKernel {
    var scan: FusedScan { get }
}

extension GatedKernel {
    public var inputs: Int { scan.inputs }
    public var outputs: Int { scan.channels }
    public var stateSizes: [Int] { [scan.channels] }
    public var workColumns: [Int] { [scan.channels, scan.channels] }
    public var scans: [ScanMode] { [.exact, .associative] }
    public var multiplyAdds: Int { scan.parts * scan.channels * scan.inputs }
    public func prepare(_ batch: inout Batch, members: Int) { scan.prepare(&batch, members: members) }
}
