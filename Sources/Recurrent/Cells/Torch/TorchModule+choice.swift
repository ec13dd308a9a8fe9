import JSON
import Kernels

extension TorchModule {
    /// What `config.json` and the shapes choose among the modules of a file.
    struct Choice {
        let file: TensorFile
        let hints: LayoutHints

        /// Whether `config.json` names the stack: then what is named nowhere is no part of the model.
        var namesStack: Bool { hints.root?["stack"] != nil }

        func refuse(_ reason: String) -> CheckpointError { hints.refuse(reason, file) }

        /// What may follow a map, but for null.
        var activations: String { Activation.allCases.map(\.rawValue).joined(separator: ", ") }

        func stack() throws(CheckpointError) -> TorchStack {
            let prefixes = TorchStack.prefixes(in: file)
            let list = prefixes.map { "\"\($0.dropLast())\"" }.joined(separator: ", ")
            var prefix = prefixes[0]
            if let value = hints.root?["stack"] {
                guard let name = value.string else { throw refuse("stack must be one of \(list)") }
                guard prefixes.contains(name.isEmpty ? "" : name + ".") else {
                    throw refuse("stack is \"\(name)\", and must be one of \(list)")
                }
                prefix = name.isEmpty ? "" : name + "."
            } else if prefixes.count > 1 {
                throw refuse(
                    "it has the recurrent stacks \(list): a config.json ", settledByStacks: prefixes,
                    " must name the one that is to be served")
            }
            var activation: RNN.Activation?
            if let value = hints.root?["activation"] {
                guard let found = value.string.flatMap(RNN.Activation.init(rawValue:)) else {
                    throw refuse("activation must be one of tanh, relu")
                }
                activation = found
            }
            return try TorchStack(file, prefix, activation: activation)
        }

        /// Names of the modules that have tensors beside the stack, sorted.
        func modules(beside stack: TorchStack) throws(CheckpointError) -> [String] {
            var modules: Set<String> = []
            for name in file.shortNames where !stack.holds(name) {
                guard let dot = name.lastIndex(of: ".") else { continue }
                modules.insert(String(name[..<dot]))
            }
            return modules.sorted()
        }

        /// Tensors that have no part in the model, since `config.json` names what has.
        /// - Parameters:
        ///   - maps: all matrices beside the stack that it does not name.
        ///   - names: whether it names what stands in front or behind.
        func leftOut(_ maps: [Map], beside stack: TorchStack, names: Bool) -> Set<String> {
            if namesStack { return Set(file.shortNames.filter { !stack.holds($0) }.map { file.prefix + $0 }) }
            guard names else { return [] }
            return Set(maps.flatMap { [$0.name + ".weight", $0.bias] }.compactMap { $0.map { file.prefix + $0 } })
        }

        /// The matrix that `config.json` names.
        func map(_ name: String, _ field: String) throws(CheckpointError) -> Map {
            guard file.contains(name + ".weight") else {
                throw refuse("\(field) is \"\(name)\", and there is no tensor \(file.prefix + name).weight")
            }
            return try Map(file, name)
        }

        /// What stands in front where `config.json` names it.
        /// - Parameter isTied: whether its matrix is that of the map behind the stack, and its bias of that map.
        func front(_ map: Map, _ stack: TorchStack, isTied: Bool) throws(CheckpointError) -> Front {
            let shaped = (isTied ? map.with(bias: nil) : map).shaped(beside: stack).subtracting([.behind])
            guard !shaped.isEmpty else {
                if map.bias != nil, map.columns == stack.inputs { throw strayBias(of: map) }
                throw .wrongShape(
                    tensor: file.prefix + map.name + ".weight", expected: [stack.inputs, map.columns],
                    found: [map.rows, map.columns])
            }
            var roles = shaped
            if roles.count > 1, !roles.isDisjoint(with: map.named) { roles.formIntersection(map.named) }
            guard let value = hints.root?["inputs"] else {
                guard roles.count == 1 || isTied else {
                    throw refuse(
                        "\(map.name) is a square matrix without a bias, so an embedding or a linear map: inputs must be "
                            + "\"tokens\" or \"vectors\", as in ",
                        settledBy: ["vectors", "tokens"].map {
                            advice([("input", quoted(map.name)), ("inputs", quoted($0))])
                        })
                }
                return roles == [.front] ? .linear(map) : .embedding(map)
            }
            switch value.string {
            case "tokens"? where shaped.contains(.embedding): return .embedding(map)
            case "vectors"? where shaped.contains(.front): return .linear(map)
            case "tokens"?, "vectors"?:
                throw refuse(
                    "inputs is \"\(value.string!)\", and \(map.name).weight has shape [\(map.rows), \(map.columns)] before a "
                        + "stack of \(stack.inputs) inputs")
            default: throw refuse("inputs must be one of tokens, vectors")
            }
        }

        /// Refuses maps that do not fit each other.
        func expectChain(_ maps: [Map], behind stack: TorchStack) throws(CheckpointError) {
            var width = stack.outputs
            for map in maps {
                guard map.columns == width else {
                    throw .wrongShape(
                        tensor: file.prefix + map.name + ".weight", expected: [map.rows, width],
                        found: [map.rows, map.columns])
                }
                width = map.rows
            }
        }

        func givesLogits(_ front: Front?, _ last: Map?) throws(CheckpointError) -> Bool {
            var vocabulary: Int?
            if case .embedding(let map)? = front { vocabulary = map.rows }
            let canBe = vocabulary != nil && last?.rows == vocabulary
            guard let value = hints.root?["outputs"] else { return canBe }
            switch value.string {
            case "vectors"?: return false
            case "logits"? where canBe: return true
            case "logits"?:
                throw refuse(
                    "outputs are logits where tokens go in and the last map has as many outputs as there are tokens: "
                        + "here \(vocabulary.map(String.init) ?? "no") tokens and \(last?.rows ?? 0) outputs")
            default: throw refuse("outputs must be one of logits, vectors")
            }
        }

        func activation(_ field: String) throws(CheckpointError) -> Activation? {
            guard let value = hints.root?[field], !value.isNull else { return nil }
            guard let activation = value.string.flatMap(Activation.init(rawValue:)) else {
                throw refuse("\(field) must be one of \(activations)")
            }
            return activation
        }

        /// The module that a field names: nil without the field, `.some(nil)` where it is null.
        func name(_ field: String) throws(CheckpointError) -> String?? {
            guard let value = hints.root?[field] else { return nil }
            guard !value.isNull else { return .some(nil) }
            guard let name = value.string else { throw refuse("\(field) must be the name of a module, or null") }
            return name
        }

        /// The modules that a field names, one or several: nil without the field, `.some(nil)` where it is null.
        func names(_ field: String) throws(CheckpointError) -> [String]?? {
            guard let value = hints.root?[field] else { return nil }
            guard !value.isNull else { return .some(nil) }
            if let name = value.string { return [name] }
            guard value.kind == .array, value.count > 0 else {
                throw refuse("\(field) must be the name of a module, a list of names, or null")
            }
            var names: [String] = []
            for element in value.elements {
                guard let name = element.string else { throw refuse("\(field) must be a list of names of modules") }
                names.append(name)
            }
            return names
        }
    }
}
