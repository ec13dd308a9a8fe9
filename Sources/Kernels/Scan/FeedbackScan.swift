import Threading

/// A recurrence whose gates see the hidden state of all channels.
protocol FeedbackCell {
    /// Linear maps of input and hidden state that one channel needs.
    static var parts: Int { get }
    /// One step of eight channels: their hidden state after it.
    /// - Parameters:
    ///   - input: for each part the map of the input with its bias.
    ///   - sums: for each part the map of the hidden state, without bias.
    ///   - bias: for each part the bias of that map.
    ///   - before: the hidden state of these channels.
    ///   - state: what else of the state they have, without the hidden state.
    static func step(
        _ input: PartSums, _ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ before: Vector,
        _ state: ChannelState
    ) -> Vector
}

/// The parts of eight channels as they lie in memory.
@unsafe struct PartSums {
    let base: UnsafePointer<Float>

    @inline(__always)
    subscript(_ part: Int) -> Vector { unsafe load(base + part &* 8) }
}

/// A recurrent layer whose gates see the state: first one product of all rows of a batch with the weights of the input,
/// then step by step the product of the hidden states of all its sequences with the recurrent weights, whose epilogue is
/// the cell.
///
/// Every member of a team takes the same panels of the recurrent weights at each step, so that they stay in the
/// second-level cache of its core. Where they are more than it holds, every second step takes them in reverse: it still
/// holds those that come first then. All members read the hidden states of the step before while they write the
/// next ones, so there are two of each.
final class FeedbackScan: Sendable {
    let parts: Int
    let channels: Int
    let inputs: Int
    /// Values of the hidden state: as many as channels, or as the projection has outputs.
    let hidden: Int
    /// Values of the state beside the hidden state.
    private let memory: Int
    /// W_ih; a panel has all parts of eight channels after each other, of `spread` times eight.
    private let input: Panels
    /// W_hh in the same panels.
    private let recurrent: Panels
    /// channels (padded to whole panels) × parts vectors: b_ih and b_hh.
    private let (inputBias, bias): ([Vector], [Vector])
    /// W_hr: from what the cell gives out to the hidden state.
    private let projection: PackedMatrix?
    /// Times eight channels of one panel.
    private let spread: Int

    /// The biases of a layer, for each part those of its channels.
    struct Biases {
        let input: [[Float]?]
        let hidden: [[Float]?]
    }

    /// Packs the parts of a cell. `input` and `recurrent` fill their last argument with the weights of (part, channel)
    /// from the inputs and from the hidden state.
    init<E: Error>(
        _ type: WeightType, parts: Int, channels: Int, inputs: Int, memories: Int, biases: Biases,
        projection: PackedMatrix? = nil, input: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void,
        recurrent: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        precondition(biases.input.count == parts && biases.hidden.count == parts, "biases for \(parts) parts")
        precondition(projection == nil || projection!.inputs == channels, "a projection of other channels")
        let hidden = projection?.outputs ?? channels
        (self.parts, self.channels, self.inputs, self.projection) = (parts, channels, inputs, projection)
        (self.hidden, memory) = (hidden, memories * channels)
        let spread = TileWidth.chosen.spread(parts: parts, channels: channels)
        self.spread = spread
        let (width, count) = (parts * spread, channels.roundedUp(to: 8 * spread) / (8 * spread))
        self.input = Panels(type, count: count, vectors: width, inputs: inputs)
        self.recurrent = Panels(type, count: count, vectors: width, inputs: hidden)
        workColumns = [count * width * 8, hidden, hidden] + (projection == nil ? [] : [channels])
        var inputBias = [Vector](repeating: .zero, count: count * width)
        var bias = inputBias
        var fromInput = [Float](repeating: 0, count: inputs)
        var fromHidden = [Float](repeating: 0, count: hidden)
        for channel in 0..<channels {
            for part in 0..<parts {
                let (vector, lane) = (channel / 8 * parts + part, channel % 8)
                if let values = biases.input[part] { inputBias[vector][lane] = values[channel] }
                if let values = biases.hidden[part] { bias[vector][lane] = values[channel] }
                try input(part, channel, &fromInput)
                self.input.set(panel: vector / width, vector: vector % width, lane: lane, to: fromInput)
                try recurrent(part, channel, &fromHidden)
                self.recurrent.set(panel: vector / width, vector: vector % width, lane: lane, to: fromHidden)
            }
        }
        (self.inputBias, self.bias) = (inputBias, bias)
    }

    /// Of gates, of hidden states before and after a step, and of what a projection is made from.
    let workColumns: [Int]
    var multiplyAdds: Int {
        parts * channels * (inputs + hidden) + (projection.map { $0.inputs * $0.outputs } ?? 0)
    }

    func prepare(_ batch: inout Batch, members: Int) { batch.planSteps() }

    /// Steps every row. Every member of a team calls it.
    @inline(__always)
    func apply<Cell: FeedbackCell>(
        _ cell: Cell.Type, _ x: Matrix, _ batch: Batch, _ place: Place, _ work: [Matrix],
        _ member: borrowing Team.Member, _ scratch: Scratch
    ) {
        check(x, batch, place, work)
        let plan = batch.plan
        let gates = work[0]
        // The barrier behind the product is that behind these copies, too.
        for slot in stride(from: member.index, to: plan.sequences.count, by: member.count) {
            work[1].copy(
                slot, to: place.states, plan.sequences[slot], place.offset..<place.offset + hidden)
        }
        multiplyInput(x, rows: batch.sequences.count, into: gates, by: member, scratch)
        member.barrier()
        let own = share(of: member)
        let portion = recurrent.bytes / member.count > Self.nearBytes ? recurrent.groupSize : max(1, own.count)
        let portions = (own.count + portion - 1) / portion
        for step in 0..<plan.count {
            let (before, after) = (work[1 + step & 1], work[2 - step & 1])
            let rows = plan.running(at: step)
            if plan.count > 1 {
                for turn in 0..<portions {
                    let first = own.lowerBound + (step & 1 == 0 ? turn : portions - 1 - turn) * portion
                    let range = first..<min(own.upperBound, first + portion)
                    self.step(cell, plan, step, gates, before, after, work, place, range, scratch)
                }
            } else {
                // Nothing stays in a cache for one step; whoever is free takes the next panels.
                let group = panelGroup(recurrent.count, member.count, rows: rows)
                member.share((recurrent.count + group - 1) / group) { unit in
                    let range = unit * group..<min(recurrent.count, unit * group + group)
                    self.step(cell, plan, step, gates, before, after, work, place, range, scratch)
                }
            }
            member.barrier()
            guard let projection else { continue }
            projection.multiply(work[3], rows: rows, into: after, by: member, scratch)
            let (first, left) = (plan.starts[step], plan.running(at: step + 1))
            for slot in stride(from: member.index, to: rows, by: member.count) {
                place.hidden.copy(plan.rows[first + slot], to: after, slot, 0..<hidden)
                if slot >= left {
                    place.states.copy(plan.sequences[slot], from: place.offset, to: after, slot, 0..<hidden)
                }
            }
        }
        if projection != nil { member.barrier() }
    }

    private func check(_ x: Matrix, _ batch: Batch, _ place: Place, _ work: [Matrix]) {
        let (rows, states, offset, y) = (batch.sequences.count, place.states, place.offset, place.hidden)
        precondition(
            x.columns == inputs && rows <= x.rows, "\(x.rows) × \(x.columns) for \(inputs) inputs, \(rows) rows")
        precondition(batch.plan.rows.count == rows, "a batch that was not prepared")
        precondition(y.columns == hidden && rows <= y.rows && y !== x, "output of \(y.columns) columns")
        precondition(offset >= 0 && offset + hidden + memory <= states.columns, "state at \(offset)")
        for sequence in batch.plan.sequences {
            precondition(sequence >= 0 && sequence < states.rows, "sequence \(sequence)")
        }
        for (matrix, columns) in zip(work, workColumns) {
            precondition(matrix.columns >= columns && rows <= matrix.rows, "work of \(matrix.columns) columns")
        }
    }

    /// Bytes of weights that the second-level cache of any core may be expected to hold beside all else.
    private static let nearBytes = 1 << 20
    /// The panels of a member, the same at each step: whole groups, where there is one for each.
    private func share(of member: borrowing Team.Member) -> Range<Int> {
        let groupSize = min(recurrent.groupSize, (recurrent.count + member.count - 1) / member.count)
        let groups = (recurrent.count + groupSize - 1) / groupSize
        let (first, last) = (groups * member.index / member.count, groups * (member.index + 1) / member.count)
        return min(recurrent.count, first * groupSize)..<min(recurrent.count, last * groupSize)
    }

    /// gates ← W_ih x + b_ih: panel by panel of all rows, as the steps read it.
    @inline(__always)
    private func multiplyInput(
        _ x: Matrix, rows count: Int, into gates: Matrix, by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        let vectors = input.vectors
        unsafe inputBias.withUnsafeBufferPointer { bias in
            let bias = bias.baseAddress!
            unsafe input.multiply(x, rows: count, by: member, scratch) { panel, rows, sums, width in
                var (sums, to) = unsafe (sums, gates.base + (panel * count + rows.lowerBound) * vectors * 8)
                for _ in rows {
                    for vector in 0..<vectors {
                        unsafe store(sums[vector] + bias[panel * vectors + vector], to + vector * 8)
                    }
                    unsafe sums += width
                    unsafe to += vectors * 8
                }
            }
        }
    }

    /// One step of the channels of some panels, for all sequences that have a row at it.
    @inline(__always)
    private func step<Cell: FeedbackCell>(
        _ cell: Cell.Type, _ plan: StepPlan, _ step: Int, _ gates: Matrix, _ before: Matrix, _ after: Matrix,
        _ work: [Matrix], _ place: Place, _ range: Range<Int>, _ scratch: Scratch
    ) {
        let (states, offset, y) = (place.states, place.offset, place.hidden)
        let (first, left) = (plan.starts[step], plan.running(at: step + 1))
        let isProjected = projection != nil
        let cells = isProjected ? work[3] : after
        let (width, count) = (parts * spread, plan.rows.count)
        unsafe bias.withUnsafeBufferPointer { bias in
            let bias = bias.baseAddress!
            unsafe recurrent.multiply(
                before, rows: 0..<plan.running(at: step), panels: range, areNear: step > 0, scratch
            ) { panel, slots, sums, distance in
                for slot in slots {
                    let (row, sequence) = (plan.rows[first + slot], plan.sequences[slot])
                    var sums = unsafe sums + (slot - slots.lowerBound) * distance
                    var input = unsafe gates.base + (panel * count + row) * width * 8
                    var (bias, group) = unsafe (bias + panel * width, panel * spread)
                    for _ in 0..<spread {
                        let channel = group * 8
                        let lanes = channels - channel
                        guard lanes > 0 else { break }
                        let own = unsafe states.base + sequence * states.stride + offset + channel
                        let h0 = unsafe isProjected ? Vector.zero : load(before.base + slot * before.stride + channel)
                        let h = unsafe Cell.step(
                            PartSums(base: input), sums, bias, h0,
                            ChannelState(base: own + hidden, channels: channels, lanes: lanes))
                        unsafe store(h, cells.base + slot * cells.stride + channel)
                        if !isProjected {
                            unsafe store(h, y.base + row * y.stride + channel)
                            if slot >= left { unsafe store(h, own, first: lanes) }
                        }
                        unsafe sums += parts
                        unsafe input += parts * 8
                        unsafe bias += parts
                        group += 1
                    }
                }
            }
        }
    }
}

/// The kernel of a cell whose gates see the state.
protocol FeedbackKernel: CellKernel {
    var scan: FeedbackScan { get }
}

extension FeedbackKernel {
    public var inputs: Int { scan.inputs }
    public var outputs: Int { scan.hidden }
    public var stateSizes: [Int] { [scan.hidden] }
    public var workColumns: [Int] { scan.workColumns }
    public var scans: [ScanMode] { [.sequential] }
    public var multiplyAdds: Int { scan.multiplyAdds }
    public func prepare(_ batch: inout Batch, members: Int) { scan.prepare(&batch, members: members) }
}
