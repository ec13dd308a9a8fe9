import JSON

extension TorchModule.Choice {
    /// Whether the matrix of an embedding is the map behind the stack, too.
    /// - Parameters:
    ///   - tied: what `config.json` says of it.
    ///   - maps: what else stands behind the stack.
    /// - Throws: where nothing says it and it may be, or `config.json` says it of one that cannot be.
    func isTied(
        _ map: Map, _ tied: Bool?, _ maps: [Map], _ stack: TorchStack
    ) throws(CheckpointError) -> Bool {
        guard maps.isEmpty else { return false }
        guard map.columns == stack.outputs else {
            guard tied != true else {
                throw .wrongShape(
                    tensor: file.prefix + map.name + ".weight", expected: [map.rows, stack.outputs],
                    found: [map.rows, map.columns])
            }
            return false
        }
        // Where config.json says that no map stands behind the stack, hidden states are the outputs.
        guard tied == nil, hints.root?["output"] == nil else { return tied ?? false }
        // What else may stand behind: a head whose name begins as an embedding's, or one that config.json leaves out so far.
        let heads = modules(besideAll: TorchStack.prefixes(in: file)).filter { head in
            (head.name != map.name || hints.root?["input"] == nil) && head.columns == stack.outputs
                && head.possible.contains(.behind)
        }
        throw refuse(
            "whether the outputs are logits by the matrix of \(map.name) or hidden states"
                + (heads.first.map { ", or \($0.name) stands behind the stack," } ?? "")
                + " cannot be seen in the tensors: a config.json ",
            settledBy: heads.prefix(4).map { advice([("output", quoted($0.name))]) }
                + ["true", "false"].map { advice([("tied", $0)]) }, " must say it")
    }

    /// The map behind the stack whose matrix is that of the embedding `map`.
    ///
    /// Files that have a shared matrix under one of its two names keep the bias of the map under the map's own: that of
    /// the embedding's module, or of one that has a bias alone.
    func tiedMap(_ map: Map, _ modules: [String]) throws(CheckpointError) -> Map {
        guard map.bias == nil else { return map }
        var biases: [String] = []
        for module in modules where !file.contains(module + ".weight") && file.contains(module + ".bias") {
            if file.shape(of: module + ".bias") == [map.rows] { biases.append(module + ".bias") }
        }
        guard biases.count <= 1 else {
            throw refuse(
                "tensors \(biases.map { file.prefix + $0 }.joined(separator: ", ")) are biases without a weight, and one "
                    + "alone can be that of the map tied to \(map.name)")
        }
        return map.with(bias: biases.first)
    }

    /// Refuses a map behind a stack of vectors where the file notes that the same matrix has a second name, as
    /// safetensors' `save_model` does of an embedding that shares it.
    func expectUntied(_ maps: [Map], _ stack: TorchStack) throws(CheckpointError) {
        guard let map = maps.first, map.columns == stack.inputs,
            let alias = file.metadata.keys.sorted().first(where: {
                file.metadata[$0] == "\(file.prefix)\(map.name).weight" && $0.hasSuffix(".weight")
            })
        else { return }
        throw refuse(
            "its metadata say that \(alias) is the matrix of \(map.name), so an embedding may be tied to it, or it "
                + "is a map of vectors: a config.json ",
            settledBy: [advice([("tied", "true")]), advice([("output", quoted(map.name))])],
            " must say it")
    }
}
