/// A safetensors file: the tensors that its header says lie in it.
struct TensorFile: Sendable {
    let path: String
    let map: MappedFile
    private let tensors: [String: Tensor]
    /// Tensors whose type is not served, and that type: an error only if the model wants one.
    private let otherTypes: [String: String]

    /// Names in the file, sorted.
    var names: [String] { (Array(tensors.keys) + Array(otherTypes.keys)).sorted() }

    init(path: String) throws(CheckpointError) {
        self.path = path
        let map = try MappedFile(path: path)
        self.map = map
        do throws(SafetensorsHeader.Malformed) {
            let header = try SafetensorsHeader(count: map.count, read: map.bytes)
            otherTypes = header.otherTypes
            tensors = Dictionary(
                uniqueKeysWithValues: header.entries.map { name, entry in
                    (name, Tensor(name: name, type: entry.type, shape: entry.shape, file: map, bytes: entry.bytes))
                })
        } catch {
            throw .malformed(file: path, reason: error.reason)
        }
    }

    func contains(_ name: String) -> Bool { tensors[name] != nil || otherTypes[name] != nil }

    /// The tensor called `name`; nil when there is none.
    func optional(_ name: String) throws(CheckpointError) -> Tensor? {
        if let type = otherTypes[name] { throw .wrongType(tensor: name, found: type) }
        return tensors[name]
    }

    /// The tensor called `name`, of exactly `shape`.
    func tensor(_ name: String, _ shape: [Int]) throws(CheckpointError) -> Tensor {
        guard let tensor = try optional(name) else { throw .missingTensor(name) }
        guard tensor.shape == shape else { throw .wrongShape(tensor: name, expected: shape, found: tensor.shape) }
        return tensor
    }

    /// As `tensor`, or nil when there is none of that name; a wrong shape is still an error.
    func tensorIfPresent(_ name: String, _ shape: [Int]) throws(CheckpointError) -> Tensor? {
        contains(name) ? try tensor(name, shape) : nil
    }
}
