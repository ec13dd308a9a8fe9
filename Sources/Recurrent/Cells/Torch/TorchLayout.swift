import Kernels

/// `nn.GRU`, `nn.LSTM` and `nn.RNN` of torch, alone or inside a module, as `state_dict()` names them.
///
/// | name | shape |
/// |---|---|
/// | `STACK.weight_ih_lN`, `STACK.bias_ih_lN`? | (gates · units, inputs), (gates · units) |
/// | `STACK.weight_hh_lN`, `STACK.bias_hh_lN`? | (gates · units, hidden), (gates · units) |
/// | `STACK.weight_hr_lN` (LSTM with a projection) | (hidden, units) |
/// | `INPUT.weight` | an embedding (vocabulary, inputs), or a linear map (inputs, size) with `.bias`? |
/// | `OUTPUT.weight`, `.bias`? | (outputs, hidden) |
///
/// `GRUCell`, `LSTMCell` and `RNNCell` have the names without `_lN`, and are one layer. The modules may have any names, and
/// anything before them, where shapes and names leave no choice (`TorchMap`); else `config.json` names them:
/// `TorchModule`.
enum TorchLayout: PublishedLayout {
    static let name = "torch"
    static let marks: [String] = []
    static let hints: Set = [
        "stack", "input", "inputs", "input_activation", "output", "output_activation", "outputs", "tied", "activation",
    ]

    static let hasFreeModules = true

    static func matches(_ file: TensorFile) -> Bool { !TorchStack.prefixes(in: file).isEmpty }

    /// The file as it is: modules beside the stack stand where they like.
    static func candidates(in file: TensorFile) -> [TensorFile] { matches(file) ? [file] : [] }

    static func configuration(
        of file: TensorFile, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelConfiguration {
        let module = try TorchModule(file, hints)
        let stack = module.stack
        var configuration = ModelConfiguration(
            cell: stack.cell, order: .stacked, layers: stack.layers, width: stack.inputs, innerWidth: stack.inputs,
            layerWidths: [Int](repeating: stack.outputs, count: stack.layers), finalNorm: false,
            input: .vectors(size: stack.inputs), output: .vectors(size: stack.outputs), mapsInput: false,
            mapsOutput: false)
        configuration.modules = module.names
        switch module.front {
        case .embedding(let map): configuration.input = .tokens(vocabularySize: map.rows)
        case .linear(let map):
            configuration.input = .vectors(size: map.columns)
            (configuration.mapsInput, configuration.inputActivation) = (true, module.inputActivation)
        case nil: break
        }
        if let last = module.outputMaps.last {
            configuration.output = module.givesLogits ? .logits : .vectors(size: last.rows)
            configuration.mapsOutput = true
            configuration.hiddenOutputWidths = module.outputMaps.dropLast().map(\.rows)
            configuration.outputActivation = module.outputActivation
        }
        return configuration
    }

    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelTensors {
        let module = try TorchModule(file, hints)
        var tensors = ModelTensors(layers: [])
        for index in 0..<configuration.layers {
            tensors.layers.append(LayerTensors(cell: try module.stack.tensors(of: file, layer: index)))
        }
        switch module.front {
        case .embedding(let map): tensors.embedding = try file.tensor(map.name + ".weight", [map.rows, map.columns])
        case .linear(let map): tensors.input = try map.tensors(of: file)
        case nil: break
        }
        var maps: [LinearTensors] = []
        for map in module.outputMaps { maps.append(try map.tensors(of: file)) }
        tensors.output = maps.popLast()
        tensors.hiddenOutputs = maps
        tensors.leftOut = module.leftOut
        return tensors
    }
}
