/// A safetensors file: the tensors that its header says lie in it.
struct TensorFile: Sendable {
    let path: String
    let map: MappedFile
    private let tensors: [String: Tensor]
    /// Tensors whose type is not served, and that type: an error only if the model wants one.
    private let otherTypes: [String: String]
    /// What every name in the file begins with, left out wherever a tensor is asked for by name.
    let prefix: String

    /// Names in the file, sorted.
    var names: [String] { (Array(tensors.keys) + Array(otherTypes.keys)).map { prefix + $0 }.sorted() }
    /// Names without `prefix`, sorted.
    var shortNames: [String] { names.map { String($0.dropFirst(prefix.count)) } }

    /// Names that wrappers of a model give their only member: torch.compile, DataParallel, Lightning, Hugging Face.
    private static let wrappers: Set<String> = ["_orig_mod", "module", "model", "min_gru_model"]

    init(path: String) throws(CheckpointError) {
        self.path = path
        let map = try MappedFile(path: path)
        self.map = map
        do throws(SafetensorsHeader.Malformed) {
            let header = try SafetensorsHeader(count: map.count, read: map.bytes)
            let prefix = Self.prefix(of: Array(header.entries.keys) + Array(header.otherTypes.keys))
            func short(_ name: String) -> String { String(name.dropFirst(prefix.count)) }
            self.prefix = prefix
            otherTypes = Dictionary(uniqueKeysWithValues: header.otherTypes.map { (short($0), $1) })
            tensors = Dictionary(
                uniqueKeysWithValues: header.entries.map { name, entry in
                    let tensor = Tensor(
                        name: name, type: entry.type, shape: entry.shape, file: map, bytes: entry.bytes)
                    return (short(name), tensor)
                })
        } catch {
            throw .malformed(file: path, reason: error.reason)
        }
    }

    /// The wrappers' names that all of `names` begin with, each with its dot.
    private static func prefix(of names: [String]) -> String {
        var prefix = ""
        while let name = names.first?.dropFirst(prefix.count), let dot = name.firstIndex(of: ".") {
            let longer = prefix + name[...dot]
            guard wrappers.contains(String(name[..<dot])), names.allSatisfy({ $0.hasPrefix(longer) }) else { break }
            prefix = longer
        }
        return prefix
    }

    func contains(_ name: String) -> Bool { tensors[name] != nil || otherTypes[name] != nil }

    /// The tensor called `name`; nil when there is none.
    func optional(_ name: String) throws(CheckpointError) -> Tensor? {
        if let type = otherTypes[name] { throw .wrongType(tensor: prefix + name, found: type) }
        return tensors[name]
    }

    /// The tensor called `name`, of exactly `shape`.
    func tensor(_ name: String, _ shape: [Int]) throws(CheckpointError) -> Tensor {
        guard let tensor = try optional(name) else { throw .missingTensor(prefix + name) }
        guard tensor.shape == shape else {
            throw .wrongShape(tensor: tensor.name, expected: shape, found: tensor.shape)
        }
        return tensor
    }

    /// As `tensor`, or nil when there is none of that name; a wrong shape is still an error.
    func tensorIfPresent(_ name: String, _ shape: [Int]) throws(CheckpointError) -> Tensor? {
        contains(name) ? try tensor(name, shape) : nil
    }
}
