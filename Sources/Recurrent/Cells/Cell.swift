import Kernels

/// The recurrent cell of a model: which one it is, and what its tensors leave open.
protocol Cell: Sendable {
    /// What `config.json` and replies call it.
    var name: String { get }
    /// Further words of the identity, with their values, in a fixed order: `ModelConfiguration.words`.
    var words: [(word: String, value: String)] { get }

    /// The tensors of one layer in Scanstep's own layout, which stand behind `prefix`.
    /// - Parameters:
    ///   - inputs: values of one input row.
    ///   - outputs: values of one output row.
    func tensors(
        of file: TensorFile, _ prefix: String, inputs: Int, outputs: Int
    ) throws(CheckpointError) -> any CellTensors

    /// Names and shapes of the tensors that one layer needs in that layout, behind the prefix.
    func shapes(inputs: Int, outputs: Int) -> [(name: String, shape: [Int])]
}

/// The tensors of one layer's cell, whatever the checkpoint calls them.
protocol CellTensors: Sendable {
    /// Linear maps: what is kept as the weight type says.
    var maps: [LinearTensors] { get }
    /// All others.
    var vectors: [Tensor] { get }
    /// Weights that have one type in all layers of a sound file; empty where any may have its own.
    var uniform: [Tensor] { get }

    /// Packs them.
    func stage(_ weights: WeightType) throws(CheckpointError) -> CellStage
}

extension CellTensors {
    var uniform: [Tensor] { [] }
}

/// Cells that belong together: one folder beside this file, and a file for each in `Kernels/Cells`.
protocol CellFamily: Sendable {
    /// What `config.json` may call its cells.
    static var cells: [String] { get }
    /// Fields of `config.json` that describe its cells beside their name.
    static var fields: Set<String> { get }
    /// Ends of tensor names in Scanstep's own layout, one of which every layer of such a cell has.
    static var marks: [String] { get }
    /// Layouts that others publish its cells in.
    static var layouts: [any PublishedLayout.Type] { get }

    /// The cell called `name`, one of `cells`, as `config.json` describes it.
    static func cell(_ name: String, _ reader: ConfigurationReader) throws(CheckpointError) -> any Cell
}
