import Kernels
import Threading

/// One residual block: norm, causal convolution, minimal recurrent cell and MLP, each but the cell optional.
struct Block: Sendable {
    let order: ModelConfiguration.BlockOrder
    let rnnNorm: Norm?
    let convolution: DepthwiseConvolution?
    let pointwise: PackedMatrix?
    let rnn: GatedScan
    /// Hidden state to residual stream; nil where it goes there as it is.
    let out: PackedMatrix?
    let initialState: [Float]?
    let mlpNorm: Norm?
    let mlp: (up: PackedMatrix, down: PackedMatrix)?

    /// Sends the rows of the batch through the block, in place in the residual stream. Every member of a team calls it.
    func apply(_ workspace: Workspace, _ offsets: StateLayout.LayerOffsets, by member: borrowing Team.Member) {
        let (batch, rows, states) = (workspace.batch, workspace.batch.sequences.count, workspace.states)
        let (stream, a, b) = (workspace.stream, workspace.a, workspace.b)
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
        rnn.scan(
            x, batch, states: states, at: offsets.hidden, into: workspace.hidden, blocks: workspace.blocks, by: member,
            scratch)
        if let out {
            out.multiplyAdding(workspace.hidden, rows: rows, into: stream, by: member, scratch)
        } else {
            stream.add(workspace.hidden, rows: rows, by: member)
        }
        guard let mlp, let mlpHidden = workspace.mlpHidden else { return }
        x = stream
        if let mlpNorm {
            mlpNorm.apply(stream, rows: rows, into: a, by: member)
            x = a
        }
        mlp.up.multiplyGELU(x, rows: rows, into: mlpHidden, by: member, scratch)
        mlp.down.multiplyAdding(mlpHidden, rows: rows, into: stream, by: member, scratch)
    }

    /// Multiply-adds of one row.
    var multiplyAdds: Int {
        let maps = [pointwise, out, mlp?.up, mlp?.down].compactMap { $0.map { $0.inputs * $0.outputs } }
        return maps.reduce(rnn.cell.parts * rnn.channels * rnn.inputs, +)
    }
}
