import Threading

/// A recurrence whose gates see the input and, of the state, their own channel alone.
protocol FusedCell {
    /// Linear maps of the input that one channel needs.
    static var parts: Int { get }
    /// Tensors of its state, each with a value for every channel.
    static var states: Int { get }
    /// One step of eight channels: their hidden state after it, which is also their output.
    /// - Parameters:
    ///   - sums: a vector for each part.
    ///   - bias: the vectors that the channels keep: a bias for each part, then what else the cell has.
    static func step(_ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ state: ChannelState) -> Vector
}

extension FusedCell {
    static var states: Int { 1 }
}

/// The state of eight channels of one sequence.
@unsafe struct ChannelState {
    /// Their values of the first tensor of the state.
    let base: UnsafeMutablePointer<Float>
    /// Values from one tensor to the next.
    let channels: Int
    /// Channels that there are, at least one; eight or more where all eight are.
    let lanes: Int

    /// Their values of one tensor; zeros beyond the last channel.
    @inline(__always)
    subscript(_ tensor: Int) -> Vector {
        get { unsafe load(base + tensor &* channels, first: lanes) }
        nonmutating set { unsafe store(newValue, base + tensor &* channels, first: lanes) }
    }
}

/// The recurrent product of a layer, fused with its scan: all parts of the same eight channels come out of one register
/// tile, the activations and the carry follow at once, and only the hidden state is written.
///
/// A row is one time step of one sequence. Rows of a sequence follow each other in time order and carry the state from
/// row to row; different sequences stand in one batch in any mixture. The arithmetic of a row does not depend on which
/// other rows are there, but for associative scans, where it depends on the step at which the scan began.
final class FusedScan: Sendable {
    let parts: Int
    /// Hidden values of the layer.
    let channels: Int
    let inputs: Int
    private let panels: Panels
    /// Times eight channels of a panel.
    private let spread: Int
    /// channels (padded to whole panels) × `kept` vectors: biases in the order of the tile, then the other constants.
    private let bias: [Vector]
    /// Vectors that eight channels keep.
    private let kept: Int

    /// Packs the parts of a cell. `row` fills its last argument (`inputs` values) with the weights of (part, channel).
    /// - Parameter constants: what a cell keeps of each channel beside weights and biases, each `channels` values.
    init<E: Error>(
        _ type: WeightType, parts: Int, channels: Int, inputs: Int, bias: [[Float]?], constants: [[Float]] = [],
        row: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        (self.parts, self.channels, self.inputs) = (parts, channels, inputs)
        precondition(bias.count == parts, "\(bias.count) biases for \(parts) parts")
        spread = TileWidth.chosen.spread(parts: parts, channels: channels)
        let width = 8 * spread
        panels = Panels(type, count: channels.roundedUp(to: width) / width, vectors: parts * spread, inputs: inputs)
        kept = parts + constants.count
        var packed = [Vector](repeating: .zero, count: panels.count * spread * kept)
        var weights = [Float](repeating: 0, count: inputs)
        for part in 0..<parts {
            for channel in 0..<channels {
                try row(part, channel, &weights)
                let vector = channel % width / 8 * parts + part
                panels.set(panel: channel / width, vector: vector, lane: channel % 8, to: weights)
            }
        }
        for (index, values) in (bias + constants).enumerated() {
            guard let values else { continue }
            precondition(values.count == channels, "\(values.count) values for \(channels) channels")
            for channel in 0..<channels { packed[channel / 8 * kept + index][channel % 8] = values[channel] }
        }
        self.bias = packed
    }

    /// Cuts `batch` into as many parts as `members` of a team need beside the panels of channels.
    func prepare(_ batch: inout Batch, members: Int) {
        let group = panelGroup(panels.count, members, rows: batch.sequences.count)
        let parts = (2 * members + panels.count / group - 1) / (panels.count / group)
        batch.cut(every: members == 1 || parts < 2 ? .max : (batch.sequences.count + parts - 1) / parts)
    }

    /// Steps every row in order of time. Members of a team take panels of channels, and where those are few, sequences.
    @inline(__always)
    func apply<Cell: FusedCell>(
        _ cell: Cell.Type, _ x: Matrix, _ batch: Batch, _ place: Place, _ member: borrowing Team.Member,
        _ scratch: Scratch
    ) {
        check(x, batch, place, states: Cell.states)
        precondition(!batch.isAssociative, "a cell without an associative scan")
        scan(batch, member) { range, segment in
            step(cell, x, batch, segment, range, place, scratch)
        }
        member.barrier()
    }

    /// As the other `apply`, or by blocks where the batch says so: then members of a team share those, too.
    @inline(__always)
    func apply<Cell: GatedCell>(
        _ cell: Cell.Type, _ x: Matrix, _ batch: Batch, _ place: Place, _ work: [Matrix],
        _ member: borrowing Team.Member, _ scratch: Scratch
    ) {
        check(x, batch, place, states: Cell.states)
        let blocks = batch.isAssociative ? ScanBlocks(decay: work[0], carry: work[1]) : nil
        scan(batch, member) { range, segment in
            if segment.isAssociative {
                scanBlock(cell, x, segment, range, place, blocks!.decay, scratch)
            } else {
                step(cell, x, batch, segment, range, place, scratch)
            }
        }
        member.barrier()
        if let blocks {
            combine(batch, place, blocks, member)
            member.barrier()
        }
    }

    private func check(_ x: Matrix, _ batch: Batch, _ place: Place, states count: Int) {
        let (rows, states, offset, hidden) = (batch.sequences.count, place.states, place.offset, place.hidden)
        precondition(
            x.columns == inputs && rows <= x.rows, "\(x.rows) × \(x.columns) for \(inputs) inputs, \(rows) rows")
        precondition(rows == 0 || !batch.segments.isEmpty, "a batch that was not prepared")
        precondition(hidden.columns == channels && rows <= hidden.rows, "hidden of \(hidden.columns) columns")
        precondition(offset >= 0 && offset + count * channels <= states.columns, "state at \(offset)")
        for sequence in batch.sequences {
            precondition(sequence >= 0 && sequence < states.rows, "sequence \(sequence)")
        }
    }

    /// Deals panels and segments out to the members of a team.
    @inline(__always)
    private func scan(
        _ batch: Batch, _ member: borrowing Team.Member, _ body: (_ panels: Range<Int>, Batch.Segment) -> Void
    ) {
        let group = panelGroup(panels.count, member.count, rows: batch.sequences.count)
        let groups = (panels.count + group - 1) / group
        member.share(groups * batch.segments.count) { unit in
            let range = unit % groups * group..<min(panels.count, (unit % groups + 1) * group)
            body(range, batch.segments[unit / groups])
        }
    }

    /// The channels of a panel, eight at a time.
    @inline(__always)
    private func groups(of panel: Int) -> Range<Int> {
        panel * spread..<min((channels + 7) / 8, (panel + 1) * spread)
    }

    @inline(__always)
    private func step<Cell: FusedCell>(
        _ cell: Cell.Type, _ x: Matrix, _ batch: Batch, _ segment: Batch.Segment, _ range: Range<Int>, _ place: Place,
        _ scratch: Scratch
    ) {
        let (states, offset, hidden) = (place.states, place.offset, place.hidden)
        let sequences = batch.sequences
        unsafe bias.withUnsafeBufferPointer { bias in
            let bias = bias.baseAddress!
            unsafe panels.multiply(x, rows: segment.rows, panels: range, scratch) { panel, rows, sums, width in
                for group in groups(of: panel) {
                    let sums = unsafe sums + (group - panel * spread) * parts
                    let channel = group * 8
                    let lanes = channels - channel
                    for row in rows {
                        let state = unsafe states.base + sequences[row] * states.stride + offset + channel
                        let h = unsafe Cell.step(
                            sums + (row - rows.lowerBound) * width, bias + group * kept,
                            ChannelState(base: state, channels: channels, lanes: lanes))
                        unsafe store(h, hidden.base + row * hidden.stride + channel)
                    }
                }
            }
        }
    }

    /// One block of an associative scan: local hidden states and what the gates keep up to each.
    @inline(__always)
    private func scanBlock<Cell: GatedCell>(
        _ cell: Cell.Type, _ x: Matrix, _ segment: Batch.Segment, _ range: Range<Int>, _ place: Place,
        _ decay: Matrix, _ scratch: Scratch
    ) {
        let hidden = place.hidden
        unsafe bias.withUnsafeBufferPointer { bias in
            let bias = bias.baseAddress!
            unsafe panels.multiply(x, rows: segment.rows, panels: range, scratch) { panel, rows, sums, width in
                for group in groups(of: panel) {
                    let sums = unsafe sums + (group - panel * spread) * parts
                    for row in rows {
                        let gates = unsafe Cell.gates(sums + (row - rows.lowerBound) * width, bias + group * kept)
                        let (keep, new) = (gates.keep ?? 1 - gates.take, gates.take * gates.candidate)
                        let at = unsafe hidden.base + row * hidden.stride + group * 8
                        let product = unsafe decay.base + row * decay.stride + group * 8
                        if row == segment.rows.lowerBound {
                            unsafe store(new, at)
                            unsafe store(keep, product)
                        } else {
                            unsafe store(new.addingProduct(keep, load(at - hidden.stride)), at)
                            unsafe store(keep * load(product - decay.stride), product)
                        }
                    }
                }
            }
        }
    }
}

/// Where the states are and where hidden states go.
struct Place {
    let states: Matrix
    let offset: Int
    let hidden: Matrix
}

/// The kernel of a cell whose gates see the state of their own channel: its recurrence is a fused scan in order of time.
protocol DiagonalKernel: CellKernel {
    var scan: FusedScan { get }
}

extension DiagonalKernel {
    public var inputs: Int { scan.inputs }
    public var outputs: Int { scan.channels }
    public var workColumns: [Int] { [] }
    public var scans: [ScanMode] { [.sequential] }
    public var multiplyAdds: Int { scan.parts * scan.channels * scan.inputs }
    public func prepare(_ batch: inout Batch, members: Int) { scan.prepare(&batch, members: members) }
}
