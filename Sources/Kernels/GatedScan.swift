import Threading

/// The recurrent product of a minimal cell, fused with its scan: gates and candidate of the same eight channels come
/// out of one register tile, the activations and the carry follow at once, and only the hidden state is written.
///
/// A row is one time step of one sequence. Rows of a sequence follow each other in time order and carry the state from
/// row to row; different sequences stand in one batch in any mixture. The arithmetic of a row does not depend on which
/// other rows are there, but for associative scans, where it depends on the step at which the scan began.
public final class GatedScan: Sendable {
    /// Which recurrence (arXiv 2410.01201, sections 3.1 and 3.2).
    public enum Cell: Sendable {
        /// h ← h + z·(h̃ − h), z = σ(gate). Parts: candidate, gate.
        case minGRU
        /// h ← f'·h + i'·h̃ with i' = i/(f + i) and f' = 1 − i', so h ← h + i'·(h̃ − h). Parts: candidate, forget,
        /// input.
        case minLSTM
        /// h ← σ(forget)·h + σ(input)·h̃: a minLSTM whose gates were not normalised in training, so that they need not
        /// sum to one. Parts as a minLSTM's.
        case minLSTMUnnormalised

        /// Linear maps of the input that one channel needs.
        public var parts: Int { self == .minGRU ? 2 : 3 }
    }

    /// How the candidate leaves its linear map.
    public enum Candidate: Sendable {
        /// g(x) of the log-space training form: x + 0.5 for x ≥ 0, else σ(x).
        case logSpace
        /// x itself.
        case vanilla

        /// What the candidate makes of `values`.
        public func apply(_ values: [Float]) -> [Float] {
            switch self {
            case .logSpace: values.map { positive(Vector(repeating: $0))[0] }
            case .vanilla: values
            }
        }
    }

    public let cell: Cell
    public let candidate: Candidate
    /// Hidden values per layer.
    public let channels: Int
    public let inputs: Int
    private let panels: Panels
    /// channels (padded to 8) × parts vectors, in the order of the tile.
    private let bias: [Vector]

    /// Packs the parts of the cell. `row` fills its last argument (`inputs` values) with the weights of (part,
    /// channel).
    public init<E: Error>(
        _ type: WeightType = .f32, cell: Cell, candidate: Candidate, channels: Int, inputs: Int, bias: [[Float]?],
        row: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        (self.cell, self.candidate, self.channels, self.inputs) = (cell, candidate, channels, inputs)
        let parts = cell.parts
        precondition(bias.count == parts, "\(bias.count) biases for \(parts) parts")
        panels = Panels(type, count: channels.roundedUp(to: 8) / 8, vectors: parts, inputs: inputs)
        var packedBias = [Vector](repeating: .zero, count: panels.count * parts)
        var weights = [Float](repeating: 0, count: inputs)
        for part in 0..<parts {
            for channel in 0..<channels {
                try row(part, channel, &weights)
                panels.set(panel: channel / 8, vector: part, lane: channel % 8, to: weights)
                if let values = bias[part] { packedBias[channel / 8 * parts + part][channel % 8] = values[channel] }
            }
        }
        self.bias = packedBias
    }

    /// Steps every row: the hidden state of its sequence moves on and is written to `hidden`.
    ///
    /// Members of a team take panels of channels, and where those are few, sequences and blocks of associative scans.
    ///
    /// - Parameters:
    ///   - x: rows × `inputs`.
    ///   - batch: for each row the row of `states` that carries its sequence; prepared for this scan.
    ///   - states: sequences × any width; the `channels` values from `offset` on are read and left at the last step.
    ///   - hidden: rows × `channels`.
    ///   - blocks: what associative scans need; nil where there are none.
    public func scan(
        _ x: Matrix, _ batch: Batch, states: Matrix, at offset: Int, into hidden: Matrix, blocks: ScanBlocks? = nil,
        by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        let rows = batch.sequences.count
        precondition(
            x.columns == inputs && rows <= x.rows, "\(x.rows) × \(x.columns) for \(inputs) inputs, \(rows) rows")
        precondition(rows == 0 || !batch.segments.isEmpty, "a batch that was not prepared")
        precondition(hidden.columns == channels && rows <= hidden.rows, "hidden of \(hidden.columns) columns")
        precondition(offset >= 0 && offset + channels <= states.columns, "state at \(offset)")
        for sequence in batch.sequences {
            precondition(sequence >= 0 && sequence < states.rows, "sequence \(sequence)")
        }
        let place = Place(states: states, offset: offset, hidden: hidden)
        switch (cell, candidate) {
        case (.minGRU, .logSpace):
            unsafe scan(x, batch, place, blocks, member, scratch) { unsafe minGRU($0, $1, positive) }
        case (.minGRU, .vanilla):
            unsafe scan(x, batch, place, blocks, member, scratch) { unsafe minGRU($0, $1) { $0 } }
        case (.minLSTM, .logSpace):
            unsafe scan(x, batch, place, blocks, member, scratch) { unsafe minLSTM($0, $1, positive) }
        case (.minLSTM, .vanilla):
            unsafe scan(x, batch, place, blocks, member, scratch) { unsafe minLSTM($0, $1) { $0 } }
        case (.minLSTMUnnormalised, .logSpace):
            unsafe scan(x, batch, place, blocks, member, scratch) { unsafe unnormalised($0, $1, positive) }
        case (.minLSTMUnnormalised, .vanilla):
            unsafe scan(x, batch, place, blocks, member, scratch) { unsafe unnormalised($0, $1) { $0 } }
        }
        member.barrier()
        if let blocks, batch.isAssociative {
            combine(batch, place, blocks, member)
            member.barrier()
        }
    }

    /// Cuts `batch` into as many parts as `members` of a team need beside the panels of channels.
    public func prepare(_ batch: inout Batch, members: Int) {
        let group = panelGroup(panels.count, members, rows: batch.sequences.count)
        let parts = (2 * members + panels.count / group - 1) / (panels.count / group)
        batch.cut(every: members == 1 || parts < 2 ? .max : (batch.sequences.count + parts - 1) / parts)
    }

    /// Where the states are and where hidden states go.
    struct Place {
        let states: Matrix
        let offset: Int
        let hidden: Matrix
    }

    @inline(__always)
    private func scan(
        _ x: Matrix, _ batch: Batch, _ place: Place, _ blocks: ScanBlocks?, _ member: borrowing Team.Member,
        _ scratch: Scratch,
        _ gates: (_ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>) -> Gates
    ) {
        let parts = cell.parts
        let group = panelGroup(panels.count, member.count, rows: batch.sequences.count)
        let groups = (panels.count + group - 1) / group
        let (states, offset, hidden) = (place.states, place.offset, place.hidden)
        unsafe bias.withUnsafeBufferPointer { bias in
            let bias = bias.baseAddress!
            member.share(groups * batch.segments.count) { unit in
                let range = unit % groups * group..<min(panels.count, (unit % groups + 1) * group)
                let segment = batch.segments[unit / groups]
                if segment.isAssociative {
                    let decay = blocks!.decay
                    unsafe panels.multiply(x, rows: segment.rows, panels: range, scratch) { panel, rows, sums, width in
                        for row in rows {
                            let gates = unsafe gates(sums + (row - rows.lowerBound) * width, bias + panel * parts)
                            let (keep, new) = (gates.keep ?? 1 - gates.take, gates.take * gates.candidate)
                            let at = unsafe hidden.base + row * hidden.stride + panel * 8
                            let product = unsafe decay.base + row * decay.stride + panel * 8
                            if row == segment.rows.lowerBound {
                                unsafe store(new, at)
                                unsafe store(keep, product)
                            } else {
                                unsafe store(new.addingProduct(keep, load(at - hidden.stride)), at)
                                unsafe store(keep * load(product - decay.stride), product)
                            }
                        }
                    }
                } else {
                    let sequences = batch.sequences
                    unsafe panels.multiply(x, rows: segment.rows, panels: range, scratch) { panel, rows, sums, width in
                        let channel = panel * 8
                        let lanes = channels - channel
                        for row in rows {
                            let gates = unsafe gates(sums + (row - rows.lowerBound) * width, bias + panel * parts)
                            let state = unsafe states.base + sequences[row] * states.stride + offset + channel
                            let before = unsafe load(state, first: lanes)
                            let h = gates.step(before)
                            unsafe store(h, state, first: lanes)
                            unsafe store(h, hidden.base + row * hidden.stride + channel)
                        }
                    }
                }
            }
        }
    }
}

/// What a cell makes of one input, for eight channels.
private struct Gates {
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

/// z and h̃ of a minGRU (arXiv 2410.01201, section 3.1).
@inline(__always)
private func minGRU(
    _ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ g: (Vector) -> Vector
) -> Gates {
    unsafe Gates(take: sigmoid(sums[1] + bias[1]), candidate: g(sums[0] + bias[0]))
}

/// i' and h̃ of a minLSTM (section 3.2).
@inline(__always)
private func minLSTM(
    _ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ g: (Vector) -> Vector
) -> Gates {
    unsafe Gates(
        take: inputGate(forget: sums[1] + bias[1], input: sums[2] + bias[2]), candidate: g(sums[0] + bias[0]))
}

/// f, i and h̃ of a minLSTM before its gates are normalised (section 3.2.1).
@inline(__always)
private func unnormalised(
    _ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ g: (Vector) -> Vector
) -> Gates {
    unsafe Gates(
        take: sigmoid(sums[2] + bias[2]), candidate: g(sums[0] + bias[0]), keep: sigmoid(sums[1] + bias[1]))
}
