import Kernels

/// The cells of `torch.nn`: GRU, LSTM and RNN, whose gates see the state before them.
enum TorchFamily: CellFamily {
    static let cells = TorchCell.Kind.allCases.map(\.rawValue)
    static let fields: Set = ["activation", "cell_width"]
    static let marks = ["weight_ih"]
    static let layouts: [any PublishedLayout.Type] = [TorchLayout.self]

    static func cell(_ name: String, _ reader: ConfigurationReader) throws(CheckpointError) -> any Cell {
        let kind = TorchCell.Kind(rawValue: name)!
        if kind != .rnn, reader.has("activation") { throw reader.refuse("activation is a field of the cell RNN alone") }
        if kind != .lstm, reader.has("cell_width") {
            throw reader.refuse("cell_width is a field of the cell LSTM alone")
        }
        return TorchCell(
            kind,
            activation: reader.has("activation")
                ? try reader.choice("activation", [("tanh", RNN.Activation.tanh), ("relu", .relu)]) : .tanh,
            cellWidth: reader.has("cell_width") ? try reader.size("cell_width") : nil)
    }
}
