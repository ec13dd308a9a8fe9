/// A safetensors file: the tensors that its header says lie in it.
struct TensorFile: Sendable {
    let path: String
    let map: MappedFile
    private let tensors: [String: Tensor]
    /// Tensors whose type is not served, and that type: an error only if the model wants one.
    private let otherTypes: [String: String]
    private let otherShapes: [String: [Int]]
    /// What the header notes beside the tensors, all of it text.
    let metadata: [String: String]
    /// What stands before each name that a tensor is asked for by: what wrappers of a model put before its names. Empty,
    /// or with a dot at its end.
    private(set) var prefix = ""

    /// Names in the file, sorted.
    var names: [String] { (Array(tensors.keys) + Array(otherTypes.keys)).sorted() }
    /// Names that begin with `prefix`, without it, sorted.
    var shortNames: [String] {
        names.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
    }

    /// The tensors whose type is served, in ascending order of the bytes of their names.
    var stored: [Tensor] {
        tensors.values.map { (key: Array($0.name.utf8), tensor: $0) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.tensor)
    }

    init(path: String) throws(CheckpointError) {
        self.path = path
        let map = try MappedFile(path: path)
        self.map = map
        do throws(SafetensorsHeader.Malformed) {
            let header = try SafetensorsHeader(count: map.count, read: map.bytes)
            (otherTypes, otherShapes, metadata) = (header.otherTypes, header.otherShapes, header.metadata)
            tensors = Dictionary(
                uniqueKeysWithValues: header.entries.map { name, entry in
                    (name, Tensor(name: name, type: entry.type, shape: entry.shape, file: map, bytes: entry.bytes))
                })
        } catch {
            // A sound file may begin with any byte: only one that is none is taken for something else.
            throw .malformed(file: path, reason: Self.disguise(map.bytes(0..<min(map.count, 64))) ?? error.reason)
        }
    }

    /// What a file is that has the name of a safetensors file and is another, by its first bytes; nil for all else.
    private static func disguise(_ bytes: [UInt8]) -> String? {
        if bytes.starts(with: "version https://git-lfs".utf8) {
            return "it is a pointer of Git LFS; `git lfs pull` fetches the weights"
        }
        if bytes.starts(with: "PK".utf8) || bytes.starts(with: [0x80, 0x02]) {
            return "it is an archive of torch.save; call it model.pt, and "
                + "`python Models/training/convert.py` makes a model folder of it"
        }
        if bytes.starts(with: "<".utf8) { return "it is a page of HTML, not what was to be downloaded" }
        return nil
    }

    /// The same file, whose tensors are asked for without `prefix`.
    func behind(_ prefix: String) -> TensorFile {
        var file = self
        file.prefix = prefix
        return file
    }

    func contains(_ name: String) -> Bool { tensors[prefix + name] != nil || otherTypes[prefix + name] != nil }

    /// The shape of the tensor called `name`, whatever its type; nil where there is none.
    func shape(of name: String) -> [Int]? { tensors[prefix + name]?.shape ?? otherShapes[prefix + name] }

    /// The tensor called `name`; nil when there is none.
    func optional(_ name: String) throws(CheckpointError) -> Tensor? {
        if let type = otherTypes[prefix + name] { throw .wrongType(tensor: prefix + name, found: type) }
        return tensors[prefix + name]
    }

    /// The tensor called `name`, of exactly `shape`.
    func tensor(_ name: String, _ shape: [Int]) throws(CheckpointError) -> Tensor {
        guard let tensor = try optional(name) else { throw .missingTensor(prefix + name) }
        guard tensor.shape == shape else {
            throw .wrongShape(tensor: tensor.name, expected: shape, found: tensor.shape)
        }
        return tensor
    }

    /// As `tensor`, and where it is missing the error says its shape.
    func expected(_ name: String, _ shape: [Int]) throws(CheckpointError) -> Tensor {
        guard contains(name) else { throw .missing(tensor: prefix + name, expected: "\(shape)") }
        return try tensor(name, shape)
    }

    /// As `tensor`, or nil when there is none of that name; a wrong shape is still an error.
    func tensorIfPresent(_ name: String, _ shape: [Int]) throws(CheckpointError) -> Tensor? {
        contains(name) ? try tensor(name, shape) : nil
    }
}
