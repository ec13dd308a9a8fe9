import Kernels

/// Hidden and cell states that a session starts from, as PyTorch computes them: an encoder's last state, for instance,
/// from which a decoder goes on.
///
/// A safetensors file of float32, float16 or bfloat16 tensors without the metadata of a `StateFile`. It has what the layers keep, and not the
/// last block's output: either each tensor as a state file names it, `layers.N.hidden` and `layers.N.cell`, or torch's
/// `h_n` and `c_n` of (layers, width) or (layers, 1, width), and for one layer also of (width). The session has absorbed nothing: it is at step 0.
public struct StartingState: Sendable {
    /// What its metadata call the model that it is for; nil where they do not say.
    public let model: String?
    private let header: SafetensorsHeader
    private let bytes: [UInt8]

    /// What torch calls the tensors of all layers together, and what a state file calls that of one.
    private static let stacked = ["h_n": "hidden", "c_n": "cell"]

    /// Nil for bytes that are no safetensors file, and for a state file.
    public init?(parsing bytes: [UInt8]) {
        guard let header = try? SafetensorsHeader(count: bytes.count, read: { Array(bytes[$0]) }),
            // Frameworks note as `format` which of them has written a file.
            !StateFile.claims(header.metadata)
        else { return nil }
        (self.header, self.bytes) = (header, bytes)
        model = header.metadata["model"]
    }

    /// The state of a session that starts so.
    public func values(for model: RecurrentModel) throws(StateFileError) -> [Float] {
        if let (name, type) = header.otherTypes.min(by: { $0.key < $1.key }) {
            throw .corrupt(reason: "tensor \(name) has type \(type), expected F32, F16 or BF16")
        }
        var values = model.initialState
        var missing = Dictionary(uniqueKeysWithValues: model.state.parts.map { ($0.name, $0) })
        for (name, entry) in header.entries.sorted(by: { $0.key < $1.key }) {
            if let kind = Self.stacked[name] {
                try take(name, entry, model.state.parts.filter { $0.name.hasSuffix("." + kind) }, &values, &missing)
            } else if let part = missing[name] {
                guard entry.shape == part.tensor.shape else {
                    throw .corrupt(reason: "tensor \(name) has shape \(entry.shape), expected \(part.tensor.shape)")
                }
                values.replaceSubrange(part.range, with: try read(name, entry))
                missing[name] = nil
            } else {
                throw .corrupt(
                    reason:
                        "tensor \(name) is none of \(model.state.parts.map(\.name).joined(separator: ", ")), h_n and c_n"
                )
            }
        }
        if let name = missing.keys.sorted().first { throw .corrupt(reason: "tensor \(name) is missing") }
        return values
    }

    /// Takes what all layers keep of one kind out of one tensor.
    private func take(
        _ name: String, _ entry: SafetensorsHeader.Entry, _ parts: [StateLayout.Part], _ values: inout [Float],
        _ missing: inout [String: StateLayout.Part]
    ) throws(StateFileError) {
        guard let width = parts.first?.range.count, parts.allSatisfy({ $0.range.count == width }) else {
            throw .corrupt(reason: "tensor \(name) is none that this model keeps")
        }
        let shapes = [[parts.count, width], [parts.count, 1, width]] + (parts.count == 1 ? [[width]] : [])
        guard shapes.contains(entry.shape) else {
            throw .corrupt(reason: "tensor \(name) has shape \(entry.shape), expected \([parts.count, width])")
        }
        let all = try read(name, entry)
        for (index, part) in parts.enumerated() {
            guard missing.removeValue(forKey: part.name) != nil else {
                throw .corrupt(reason: "tensor \(part.name) is there twice, by itself and in \(name)")
            }
            values.replaceSubrange(part.range, with: all[index * width..<(index + 1) * width])
        }
    }

    private func read(_ name: String, _ entry: SafetensorsHeader.Entry) throws(StateFileError) -> [Float] {
        var values = [Float](repeating: 0, count: entry.bytes.count / entry.type.size)
        let isFinite = unsafe bytes.withUnsafeBytes { bytes in
            unsafe entry.type.widen(UnsafeRawBufferPointer(rebasing: bytes[entry.bytes]), into: &values)
        }
        guard isFinite else { throw .corrupt(reason: "tensor \(name) has a value that is not finite") }
        return values
    }
}
