/// Every family of cells that is served.
enum CellFamilies {
    static let all: [any CellFamily.Type] = [MinimalFamily.self, TorchFamily.self, ParaRNNFamily.self]

    /// What `config.json` may call a cell.
    static var cells: [String] { all.flatMap { $0.cells } }

    /// The family of the cell that `config.json` names.
    static func family(_ reader: ConfigurationReader) throws(CheckpointError) -> any CellFamily.Type {
        try reader.choice("cell", all.flatMap { family in family.cells.map { ($0, family) } })
    }
}
