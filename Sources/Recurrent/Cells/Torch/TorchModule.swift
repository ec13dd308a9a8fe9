import JSON
import Kernels

/// A stack of `torch.nn` and what stands before and behind it in a module: from the shapes where they leave no choice, and
/// from `config.json` where they do.
///
/// Of the tensors beside the stack, a matrix with a bias and as many columns as the stack has outputs is the map behind
/// it. A matrix without a bias is an embedding if it has as many columns as the stack has inputs, and the map behind if
/// it has as many as there are outputs; where both numbers are equal, two such matrices are told apart only if one has a
/// bias.
struct TorchModule {
    /// A matrix beside the stack.
    struct Map {
        /// Of its module: what stands before `.weight`.
        let name: String
        let rows: Int
        let columns: Int
        let hasBias: Bool

        init(_ file: TensorFile, _ name: String) throws(CheckpointError) {
            self.name = name
            (rows, columns) = try PublishedLayouts.matrix(name + ".weight", of: file)
            hasBias = file.contains(name + ".bias")
        }

        func tensors(of file: TensorFile) throws(CheckpointError) -> LinearTensors {
            try file.linear(name, outputs: rows, inputs: columns)
        }
    }

    enum Front {
        case embedding(Map)
        case linear(Map)
    }

    let stack: TorchStack
    let front: Front?
    /// What follows a linear map in front.
    let inputActivation: Activation?
    /// Maps behind the stack, in their order; the embedding's matrix where it is tied.
    let outputMaps: [Map]
    /// What follows each of them but the last.
    let outputActivation: Activation?
    /// Whether the last map gives a logit for each token.
    let givesLogits: Bool
    /// Tensors of modules that `config.json` leaves out by naming the stack.
    let unused: Set<String>

    init(_ file: TensorFile, _ hints: LayoutHints) throws(CheckpointError) {
        let choice = Choice(file: file, hints: hints)
        let stack = try choice.stack()
        self.stack = stack
        let others = try choice.modules(beside: stack)
        let (input, output) = (try choice.name("input"), try choice.names("output"))

        var maps: [Map] = []
        if let output {
            for name in output ?? [] { maps.append(try choice.map(name, "output")) }
        }
        var front: Front?
        if let input {
            front = try input.map { (name) throws(CheckpointError) in
                try choice.front(try choice.map(name, "input"), stack)
            }
        }
        let named = Set(maps.map(\.name) + (front.map { [$0.map.name] } ?? []))
        let rest = others.filter { !named.contains($0) }
        if input == nil || output == nil, !choice.namesStack {
            var open: [Map] = []
            for name in rest {
                // What is no matrix has no place, and is refused by name.
                guard try file.optional(name + ".weight")?.shape.count == 2 else { continue }
                open.append(try Map(file, name))
            }
            let found = try choice.assign(
                open, stack, wantsFront: input == nil, wantsOutput: output == nil)
            front = front ?? found.embedding.map { .embedding($0) }
            maps = maps.isEmpty ? found.output.map { [$0] } ?? [] : maps
        }
        try choice.expectChain(maps, behind: stack)

        var isTied = false
        let wantsTied = try hints.flag("tied")
        if case .embedding(let map)? = front, maps.isEmpty, map.columns == stack.outputs {
            guard let wantsTied else {
                throw hints.refuse(
                    "whether the outputs are logits by the matrix of \(map.name) or hidden states cannot be seen in the "
                        + "tensors: a config.json {\"layout\": \"torch\", \"tied\": true} or false must say it",
                    file)
            }
            isTied = wantsTied
            if wantsTied { maps = [map] }
        } else if wantsTied == true, case .embedding(let map)? = front, maps.isEmpty {
            throw .wrongShape(
                tensor: file.prefix + map.name + ".weight", expected: [map.rows, stack.outputs],
                found: [map.rows, map.columns])
        } else if wantsTied != nil {
            throw hints.refuse(
                "tied is of an embedding as wide as the stack's outputs, \(stack.outputs), with no map behind the stack",
                file)
        }
        (self.front, outputMaps, tied) = (front, maps, isTied)

        inputActivation = try choice.activation("input_activation")
        if inputActivation != nil {
            guard case .linear? = front else {
                throw hints.refuse("input_activation needs a linear map in front, which input names", file)
            }
        }
        let between = try choice.activation("output_activation")
        if maps.count > 1, hints.root?["output_activation"] == nil {
            throw hints.refuse(
                "output_activation must say what stands between the maps of output: relu, tanh, sigmoid, gelu or null",
                file)
        }
        guard maps.count > 1 || between == nil else {
            throw hints.refuse(
                "output_activation stands between several maps of output, and never behind the last", file)
        }
        outputActivation = between
        givesLogits = try choice.givesLogits(front, maps.last)
        unused =
            choice.namesStack
            ? Set(file.shortNames.filter { !$0.hasPrefix(stack.prefix) }.map { file.prefix + $0 }) : []
    }

    /// Whether the embedding's matrix is the map behind the stack.
    let tied: Bool

    /// Words for the identity: which module plays which role.
    var names: [(word: String, value: String)] {
        var names = [("stack", String(stack.prefix.dropLast()))]
        switch front {
        case .embedding(let map), .linear(let map): names.append(("input.module", map.name))
        case nil: break
        }
        return names + outputMaps.map { ("output.module", $0.name) }
    }
}

extension TorchModule.Front {
    var map: TorchModule.Map {
        switch self {
        case .embedding(let map), .linear(let map): map
        }
    }
}
