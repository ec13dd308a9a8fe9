import Kernels

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

    /// Sends the first `workspace.sequences.count` rows of the residual stream through the block, in place.
    func apply(_ workspace: Workspace, _ offsets: StateLayout.LayerOffsets) {
        let (rows, sequences, states) = (workspace.sequences.count, workspace.sequences, workspace.states)
        let (stream, a, b) = (workspace.stream, workspace.a, workspace.b)

        func convolve(_ x: Matrix, into y: Matrix, adding: Bool) {
            guard let convolution else { return }
            if let pointwise {
                convolution.apply(x, sequences: sequences, states: states, at: offsets.window, into: workspace.filtered)
                if adding {
                    pointwise.multiplyAdding(workspace.filtered, rows: rows, into: y)
                } else {
                    pointwise.multiply(workspace.filtered, rows: rows, into: y)
                }
            } else if adding {
                convolution.apply(x, sequences: sequences, states: states, at: offsets.window, into: workspace.filtered)
                y.add(workspace.filtered, rows: rows)
            } else {
                convolution.apply(x, sequences: sequences, states: states, at: offsets.window, into: y)
            }
        }

        var x = stream
        if order == .minGRUPyTorch { convolve(stream, into: stream, adding: true) }
        if let rnnNorm {
            rnnNorm.apply(x, rows: rows, into: a)
            x = a
        }
        if order == .paper, convolution != nil {
            convolve(x, into: b, adding: false)
            x = b
        }
        rnn.scan(x, sequences: sequences, states: states, at: offsets.hidden, into: workspace.hidden)
        if let out {
            out.multiplyAdding(workspace.hidden, rows: rows, into: stream)
        } else {
            stream.add(workspace.hidden, rows: rows)
        }
        guard let mlp, let mlpHidden = workspace.mlpHidden else { return }
        x = stream
        if let mlpNorm {
            mlpNorm.apply(stream, rows: rows, into: a)
            x = a
        }
        mlp.up.multiplyGELU(x, rows: rows, into: mlpHidden)
        mlp.down.multiplyAdding(mlpHidden, rows: rows, into: stream)
    }
}
