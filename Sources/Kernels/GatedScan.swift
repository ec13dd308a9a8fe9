/// The recurrent product of a minimal cell, fused with its scan: gates and candidate of the same eight channels come out
/// of one register tile, the activations and the carry follow at once, and only the hidden state is written.
///
/// A row is one time step of one sequence. Rows of a sequence follow each other in time order and carry the state from
/// row to row; different sequences stand in one batch in any mixture. The arithmetic of a row does not depend on which
/// other rows are there.
public final class GatedScan: Sendable {
    /// Which recurrence (arXiv 2410.01201, sections 3.1 and 3.2).
    public enum Cell: Sendable {
        /// h ← h + z·(h̃ − h), z = σ(gate). Parts: candidate, gate.
        case minGRU
        /// h ← f'·h + i'·h̃ with f' = f/(f + i), i' = i/(f + i). Parts: candidate, forget, input.
        case minLSTM

        /// Linear maps of the input that one channel needs.
        public var parts: Int { self == .minGRU ? 2 : 3 }
    }

    /// How the candidate leaves its linear map.
    public enum Candidate: Sendable {
        /// g(x) of the log-space training form: x + 0.5 for x ≥ 0, else σ(x).
        case logSpace
        /// x itself.
        case vanilla
    }

    public let cell: Cell
    public let candidate: Candidate
    /// Hidden values per layer.
    public let channels: Int
    public let inputs: Int
    private let panels: Panels
    /// channels (padded to 8) × parts vectors, in the order of the tile.
    private let bias: [Vector]

    /// Packs the parts of the cell. `row` fills its last argument (`inputs` values) with the weights of (part, channel).
    public init<E: Error>(
        cell: Cell, candidate: Candidate, channels: Int, inputs: Int, bias: [[Float]?],
        row: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        (self.cell, self.candidate, self.channels, self.inputs) = (cell, candidate, channels, inputs)
        let parts = cell.parts
        precondition(bias.count == parts, "\(bias.count) biases for \(parts) parts")
        panels = Panels(count: channels.roundedUp(to: 8) / 8, vectors: parts, inputs: inputs)
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
    /// - Parameters:
    ///   - x: rows × `inputs`.
    ///   - sequences: for each row the row of `states` that carries its sequence.
    ///   - states: sequences × any width; the `channels` values from `offset` on are read and left at the last step.
    ///   - hidden: rows × `channels`.
    public func scan(_ x: Matrix, sequences: [Int], states: Matrix, at offset: Int, into hidden: Matrix) {
        precondition(
            hidden.columns == channels && sequences.count <= hidden.rows, "hidden of \(hidden.columns) columns")
        precondition(offset >= 0 && offset + channels <= states.columns, "state at \(offset)")
        for sequence in sequences { precondition(sequence >= 0 && sequence < states.rows, "sequence \(sequence)") }
        switch (cell, candidate) {
        case (.minGRU, .logSpace):
            unsafe scan(x, sequences, states, offset, hidden) { unsafe step($0, $1, $2, positive) }
        case (.minGRU, .vanilla): unsafe scan(x, sequences, states, offset, hidden) { unsafe step($0, $1, $2) { $0 } }
        case (.minLSTM, .logSpace):
            unsafe scan(x, sequences, states, offset, hidden) { unsafe stepLSTM($0, $1, $2, positive) }
        case (.minLSTM, .vanilla):
            unsafe scan(x, sequences, states, offset, hidden) { unsafe stepLSTM($0, $1, $2) { $0 } }
        }
    }

    @inline(__always)
    private func scan(
        _ x: Matrix, _ sequences: [Int], _ states: Matrix, _ offset: Int, _ hidden: Matrix,
        _ step: (_ h: Vector, _ tile: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>) -> Vector
    ) {
        let parts = cell.parts
        unsafe bias.withUnsafeBufferPointer { bias in
            unsafe sequences.withUnsafeBufferPointer { sequences in
                let bias = bias.baseAddress!
                unsafe panels.multiply(x, rows: sequences.count) { panel, row, tile in
                    let channel = panel * 8
                    let lanes = channels - channel
                    let state = unsafe states.base + sequences[row] * states.stride + offset + channel
                    let h = unsafe step(load(state, first: lanes), tile, bias + panel * parts)
                    unsafe store(h, state, first: lanes)
                    unsafe store(h, hidden.base + row * hidden.stride + channel)
                }
            }
        }
    }
}

/// One minGRU step of eight channels (arXiv 2410.01201, section 3.1).
@inline(__always)
private func step(
    _ h: Vector, _ tile: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ g: (Vector) -> Vector
) -> Vector {
    let candidate = unsafe g(tile[0] + bias[0])
    let z = unsafe sigmoid(tile[1] + bias[1])
    return h.addingProduct(z, candidate - h)
}

/// One minLSTM step of eight channels (section 3.2), its gates normalised.
///
/// f/(f + i) of the sigmoids is (1 + e^−i) / ((1 + e^−i) + (1 + e^−f)). Scaled by e^−m with m = max(−i, −f, 0) no term
/// overflows and the divisor is at least 1, where the quotient of sigmoids is 0/0 below about −89.
@inline(__always)
private func stepLSTM(
    _ h: Vector, _ tile: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>, _ g: (Vector) -> Vector
) -> Vector {
    let candidate = unsafe g(tile[0] + bias[0])
    let forget = unsafe -(tile[1] + bias[1])
    let input = unsafe -(tile[2] + bias[2])
    let larger = forget.replacing(with: input, where: input .> forget)
    let m = larger.replacing(with: 0, where: larger .< 0)
    let one = exp(-m)
    let keep = one + exp(input - m)
    let take = one + exp(forget - m)
    let divisor = keep + take
    return (take / divisor * candidate).addingProduct(keep / divisor, h)
}
