import JSON
import Kernels

extension TorchModule {
    /// What `config.json` and the shapes choose among the modules of a file.
    struct Choice {
        let file: TensorFile
        let hints: LayoutHints

        /// Whether `config.json` names the stack: then what is named nowhere is no part of the model.
        var namesStack: Bool { hints.root?["stack"] != nil }

        private func refuse(_ reason: String) -> CheckpointError { hints.refuse(reason, file) }

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
                    "it has the recurrent stacks \(list): a config.json {\"layout\": \"torch\", \"stack\": "
                        + "\"\(prefixes[0].dropLast())\"} must name the one that is to be served")
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
            for name in file.shortNames
            where !name.hasPrefix(stack.prefix) || stack.prefix.isEmpty && name.contains(".") {
                guard let dot = name.lastIndex(of: ".") else { continue }
                modules.insert(String(name[..<dot]))
            }
            return modules.sorted()
        }

        /// The matrix that `config.json` names.
        func map(_ name: String, _ field: String) throws(CheckpointError) -> Map {
            guard file.contains(name + ".weight") else {
                throw refuse("\(field) is \"\(name)\", and there is no tensor \(file.prefix + name).weight")
            }
            return try Map(file, name)
        }

        /// What stands in front where `config.json` names it.
        func front(_ map: Map, _ stack: TorchStack) throws(CheckpointError) -> Front {
            let (fitsLinear, fitsEmbedding) = (map.rows == stack.inputs, map.columns == stack.inputs && !map.hasBias)
            guard fitsLinear || fitsEmbedding else {
                throw .wrongShape(
                    tensor: file.prefix + map.name + ".weight", expected: [stack.inputs, map.columns],
                    found: [map.rows, map.columns])
            }
            guard let value = hints.root?["inputs"] else {
                guard !fitsLinear || !fitsEmbedding else {
                    throw refuse(
                        "\(map.name) is a square matrix without a bias, so an embedding or a linear map: inputs must be "
                            + "\"tokens\" or \"vectors\"")
                }
                return fitsLinear ? .linear(map) : .embedding(map)
            }
            switch value.string {
            case "tokens"? where fitsEmbedding: return .embedding(map)
            case "vectors"? where fitsLinear: return .linear(map)
            case "tokens"?, "vectors"?:
                throw refuse(
                    "inputs is \"\(value.string!)\", and \(map.name).weight has shape [\(map.rows), \(map.columns)] before a "
                        + "stack of \(stack.inputs) inputs")
            default: throw refuse("inputs must be one of tokens, vectors")
            }
        }

        /// The roles of matrices that nothing names.
        func assign(
            _ maps: [Map], _ stack: TorchStack, wantsFront: Bool, wantsOutput: Bool
        ) throws(CheckpointError) -> (embedding: Map?, output: Map?) {
            var (embeddings, outputs, either): ([Map], [Map], [Map]) = ([], [], [])
            for map in maps {
                let isEmbedding = wantsFront && !map.hasBias && map.columns == stack.inputs
                let isOutput = wantsOutput && map.columns == stack.outputs
                switch (isEmbedding, isOutput) {
                case (true, true): either.append(map)
                case (true, false): embeddings.append(map)
                case (false, true): outputs.append(map)
                case (false, false) where map.hasBias && map.rows != stack.inputs:
                    throw .wrongShape(
                        tensor: file.prefix + map.name + ".weight", expected: [map.rows, stack.outputs],
                        found: [map.rows, map.columns])
                case (false, false):
                    throw refuse(
                        "tensor \(file.prefix + map.name).weight has shape [\(map.rows), \(map.columns)], which is neither an "
                            + "embedding (columns \(stack.inputs), no bias) nor a linear map behind the stack (columns "
                            + "\(stack.outputs)); a linear map in front is served where config.json names it: "
                            + "{\"layout\": \"torch\", \"input\": \"\(map.name)\"}")
                }
            }
            if either.count == 1, embeddings.count + outputs.count == 1 {
                if outputs.isEmpty { outputs = either } else { embeddings = either }
                either = []
            }
            if either.count == 1, embeddings.isEmpty, outputs.isEmpty, hints.root?["tied"] != nil {
                // Only an embedding can be tied or not.
                return (either[0], nil)
            }
            if either.count == 1, embeddings.isEmpty, outputs.isEmpty {
                throw refuse(
                    "whether \(either[0].name) is an embedding or a linear map behind the stack cannot be seen in the "
                        + "tensors: a config.json {\"layout\": \"torch\", \"input\": \"\(either[0].name)\", \"tied\": true} or "
                        + "{\"layout\": \"torch\", \"output\": \"\(either[0].name)\"} must say it")
            }
            guard either.isEmpty, embeddings.count <= 1, outputs.count <= 1 else {
                let names = (embeddings + outputs + either).map { "\"\($0.name)\"" }.joined(separator: ", ")
                throw refuse(
                    "which of \(names) stands before the stack and which behind it cannot be seen in the tensors: a "
                        + "config.json {\"layout\": \"torch\", \"input\": NAME or null, \"output\": NAME, [NAME, …] or null} "
                        + "must say it")
            }
            return (embeddings.first, outputs.first)
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
                throw refuse("\(field) must be one of \(Activation.allCases.map(\.rawValue).joined(separator: ", "))")
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
