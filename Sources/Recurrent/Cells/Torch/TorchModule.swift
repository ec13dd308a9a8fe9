import JSON
import Kernels

/// A stack of `torch.nn` and what stands before and behind it in a module: from shapes and names where they leave no
/// choice, and from `config.json` where they do.
///
/// Of the tensors beside the stack, a matrix without a bias and with as many columns as the stack has inputs can be an
/// embedding, one with as many rows as it has inputs a linear map in front, and one with as many columns as it has
/// outputs the map behind. Names exclude some of these: `TorchMap.named`. The module is served where one way is left to
/// give every matrix a place, and no linear map stands in front.
struct TorchModule {
    typealias Map = TorchMap

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
    /// Tensors of modules that `config.json` leaves out by naming others.
    let leftOut: Set<String>

    init(_ file: TensorFile, _ hints: LayoutHints) throws(CheckpointError) {
        let choice = Choice(file: file, hints: hints)
        let stack = try choice.stack()
        self.stack = stack
        let others = try choice.modules(beside: stack)
        let (input, output) = (try choice.name("input"), try choice.names("output"))
        let tied = try hints.flag("tied")

        var maps: [Map] = []
        for name in (output ?? nil) ?? [] { maps.append(try choice.map(name, "output")) }
        var front: Front?
        if let name = input ?? nil {
            front = try choice.front(try choice.map(name, "input"), stack, isTied: tied == true && maps.isEmpty)
        }
        let named = Set(maps.map(\.name) + (front.map { [$0.map.name] } ?? []))
        var rest: [Map] = []
        // What is no matrix has no place, and is refused by name.
        for name in others where !named.contains(name) && !choice.namesStack {
            guard file.shape(of: name + ".weight")?.count == 2 else { continue }
            rest.append(try Map(file, name))
        }
        if input == nil || output == nil, !choice.namesStack {
            if let tied, input == nil, maps.isEmpty, rest.count == 1, rest[0].columns == stack.inputs,
                tied || rest[0].bias == nil
            {
                // Only an embedding can be tied or not.
                front = .embedding(rest[0])
            } else {
                let found = try choice.reading(of: rest, beside: stack)
                front = front ?? found.front.map { .embedding($0.map) }
                maps = maps.isEmpty ? found.behind : maps
            }
        }
        try choice.expectChain(maps, behind: stack)
        if case .embedding(let map)? = front, try choice.isTied(map, tied, maps, stack) {
            maps = [try choice.tiedMap(map, others)]
            front = .embedding(map.with(bias: nil))
        } else if tied != nil, front == nil || !maps.isEmpty || front!.isLinear {
            throw hints.refuse(
                "tied is of an embedding as wide as the stack's outputs, \(stack.outputs), with no map behind the stack",
                file)
        }
        if tied == nil, input == nil, output == nil, front == nil { try choice.expectUntied(maps, stack) }
        (self.front, outputMaps) = (front, maps)

        inputActivation = try choice.activation("input_activation")
        if inputActivation != nil {
            guard case .linear? = front else {
                throw hints.refuse("input_activation needs a linear map in front, which input names", file)
            }
        }
        let between = try choice.activation("output_activation")
        if maps.count > 1, hints.root?["output_activation"] == nil {
            throw hints.refuse(
                "output_activation must say what stands between the maps of output: \(choice.activations) or null",
                file)
        }
        guard maps.count > 1 || between == nil else {
            throw hints.refuse(
                "output_activation stands between several maps of output, and never behind the last", file)
        }
        outputActivation = between
        givesLogits = try choice.givesLogits(front, maps.last)
        leftOut = choice.leftOut(rest, beside: stack, names: input != nil || output != nil)
    }

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

    var isLinear: Bool { if case .linear = self { true } else { false } }
}
