/// minGRU and minLSTM (arXiv 2410.01201): cells whose gates see the input alone.
enum MinimalFamily: CellFamily {
    static let cells = MinimalCell.Kind.allCases.map(\.rawValue)
    static let fields: Set = ["candidate"]
    static let marks = ["candidate.weight"]
    static let layouts: [any PublishedLayout.Type] = [
        MinGRUPyTorchLayout.self, MinRNNsLayout.self, MinGRUStackLayout.self, HighwayLayout.self,
    ]

    static func cell(_ name: String, _ reader: ConfigurationReader) throws(CheckpointError) -> any Cell {
        MinimalCell(MinimalCell.Kind(rawValue: name)!, try reader.choice("candidate", MinimalCell.candidates))
    }
}
