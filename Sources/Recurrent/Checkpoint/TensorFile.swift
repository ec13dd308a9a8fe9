import JSON
import Kernels

/// A safetensors file: eight bytes of header length (little-endian), a JSON header, then the tensors' bytes.
///
/// Everything the header says is checked before a tensor is handed out: the header lies in the file, each tensor's
/// bytes lie behind it and are as many as its shape and type need, and the tensors cover the rest of the file without
/// overlap or gap (as the format's description demands).
struct TensorFile: Sendable {
    let path: String
    let map: MappedFile
    private let tensors: [String: Tensor]
    /// Tensors whose type is not served, and that type: an error only if the model wants one.
    private let otherTypes: [String: String]

    /// Headers larger than this are refused before they are parsed: the format's own limit.
    static let headerLimit = 100_000_000

    /// Names in the file, sorted.
    var names: [String] { (Array(tensors.keys) + Array(otherTypes.keys)).sorted() }

    init(path: String) throws(CheckpointError) {
        self.path = path
        map = try MappedFile(path: path)
        func malformed(_ reason: String) -> CheckpointError { .malformed(file: path, reason: reason) }
        guard map.count >= 8 else { throw malformed("it is only \(map.count) bytes long") }
        let length = map.bytes(0..<8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(Self.headerLimit), 8 + Int(length) <= map.count else {
            throw malformed("its header of \(length) bytes does not fit the file of \(map.count) bytes")
        }
        let start = 8 + Int(length)
        let header: JSONDocument
        do {
            header = try JSONDocument(parsing: map.bytes(8..<start))
        } catch {
            throw malformed("its header is not JSON: \(error)")
        }
        guard header.root.kind == .object else { throw malformed("its header is not a JSON object") }

        var tensors: [String: Tensor] = [:]
        var otherTypes: [String: String] = [:]
        var ranges: [(name: String, bytes: Range<Int>)] = []
        for (name, entry) in header.root.members where name != "__metadata__" {
            guard let typeName = entry["dtype"]?.string, let shape = entry["shape"]?.ints(),
                let offsets = entry["data_offsets"]?.ints(), offsets.count == 2
            else { throw malformed("tensor \(name) lacks dtype, shape or data_offsets") }
            let size = map.count - start
            guard offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= size else {
                throw malformed("tensor \(name) lies at \(offsets) of \(size) bytes: the file is truncated or wrong")
            }
            guard tensors[name] == nil, otherTypes[name] == nil else { throw malformed("tensor \(name) stands twice") }
            let bytes = start + offsets[0]..<start + offsets[1]
            ranges.append((name, bytes))
            guard let type = StoredFloat(rawValue: typeName) else {
                otherTypes[name] = typeName
                continue
            }
            var needed = type.size
            for dimension in shape {
                let (product, overflow) = needed.multipliedReportingOverflow(by: dimension)
                guard dimension >= 0, !overflow else { throw malformed("tensor \(name) has shape \(shape)") }
                needed = product
            }
            guard needed == bytes.count else {
                throw malformed("tensor \(name) of shape \(shape) needs \(needed) bytes and has \(bytes.count)")
            }
            tensors[name] = Tensor(name: name, type: type, shape: shape, file: map, bytes: bytes)
        }
        var end = start
        for (name, bytes) in ranges.sorted(by: {
            ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound)
        }) {
            if bytes.lowerBound < end { throw malformed("tensor \(name) overlaps another") }
            if bytes.lowerBound > end {
                throw malformed("\(bytes.lowerBound - end) bytes before tensor \(name) belong to none")
            }
            end = bytes.upperBound
        }
        if end != map.count { throw malformed("its last \(map.count - end) bytes belong to no tensor") }
        self.tensors = tensors
        self.otherTypes = otherTypes
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
