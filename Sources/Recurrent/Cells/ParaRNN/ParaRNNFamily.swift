import Kernels

/// ParaGRU and ParaLSTM (ParaRNN, arXiv 2510.21450): cells whose gates see their own channel of the state alone.
enum ParaRNNFamily: CellFamily {
    static let cells = ParaCell.Kind.allCases.map(\.rawValue)
    static let fields: Set = ["max_recurrent_norm"]
    static let marks = ["W_x.weight"]
    static let layouts: [any PublishedLayout.Type] = [PararnnTorchLayout.self, MLPararnnLayout.self]

    static func cell(_ name: String, _ reader: ConfigurationReader) throws(CheckpointError) -> any Cell {
        ParaCell(ParaCell.Kind(rawValue: name)!, limit: try reader.positive("max_recurrent_norm", otherwise: nil))
    }
}
