import Kernels
import Threading

/// One residual block: norm, causal convolution, minimal recurrent cell and MLP, each but the cell optional.
struct Block: Sendable {
    let order: ModelConfiguration.BlockOrder
    let rnnNorm: Norm?
    let convolution: DepthwiseConvolution?
    let pointwise: PackedMatrix?
    let rnn: any CellKernel
    /// Hidden state to residual stream; nil where it goes there as it is.
    let out: PackedMatrix?
    /// The stream before the block to that behind it, where their widths differ.
    let align: PackedMatrix?
    let highway: PackedMatrix?
    let initialState: [Float]?
    let mlpNorm: Norm?
    let mlp: (up: PackedMatrix, gate: PackedMatrix?, down: PackedMatrix)?

    /// Sends the rows of the batch through the block: from the residual stream of `stage` into that of `next`, in place
    /// where they are the same. Every member of a team calls it.
    func apply(
        _ workspace: Workspace, from stage: Stage, to next: Stage, _ offsets: StateLayout.LayerOffsets,
        by member: borrowing Team.Member
    ) {
        let (batch, rows, states) = (workspace.batch, workspace.batch.sequences.count, workspace.states)
        let (stream, a, b) = (stage.stream, stage.a, stage.b)
        let scratch = workspace.scratch[member.index]

        var x = stream
        if order == .minGRUPyTorch, let convolution {
            convolution.apply(stream, batch, states: states, at: offsets.window, into: b, by: member)
            if let pointwise {
                pointwise.multiplyAdding(b, rows: rows, into: stream, by: member, scratch)
            } else {
                stream.add(b, rows: rows, by: member)
            }
        }
        if let rnnNorm {
            rnnNorm.apply(x, rows: rows, into: a, by: member)
            x = a
        }
        if order == .paper, let convolution {
            convolution.apply(x, batch, states: states, at: offsets.window, into: b, by: member)
            x = b
            if let pointwise {
                pointwise.multiply(b, rows: rows, into: a, by: member, scratch)
                x = a
            }
        }
        let hidden = next.hidden
        rnn.apply(
            x, batch, states: states, at: offsets.hidden, into: hidden, work: workspace.work, by: member, scratch)
        align?.multiply(stream, rows: rows, into: next.stream, by: member, scratch)
        if let highway {
            highway.multiplySigmoid(stream, rows: rows, into: a, by: member, scratch)
            stream.mix(hidden, gate: a, rows: rows, by: member)
        } else if order == .stacked {
            next.stream.take(hidden, rows: rows, by: member)
        } else if let out {
            out.multiplyAdding(hidden, rows: rows, into: next.stream, by: member, scratch)
        } else {
            next.stream.add(hidden, rows: rows, by: member)
        }
        guard let mlp, let mlpHidden = workspace.mlpHidden else { return }
        x = stream
        if let mlpNorm {
            mlpNorm.apply(stream, rows: rows, into: a, by: member)
            x = a
        }
        if let gate = mlp.gate {
            gate.multiplyGELU(x, rows: rows, into: mlpHidden, by: member, scratch)
            mlp.up.multiplyScaling(x, rows: rows, into: mlpHidden, by: member, scratch)
        } else {
            mlp.up.multiplyGELU(x, rows: rows, into: mlpHidden, by: member, scratch)
        }
        mlp.down.multiplyAdding(mlpHidden, rows: rows, into: stream, by: member, scratch)
    }

    /// Multiply-adds of one row.
    var multiplyAdds: Int {
        let maps = [pointwise, out, align, highway, mlp?.up, mlp?.gate, mlp?.down]
        return maps.reduce(rnn.multiplyAdds) { $0 + ($1.map { $0.inputs * $0.outputs } ?? 0) }
    }
}
