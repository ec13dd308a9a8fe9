import JSON
import Kernels

/// What a client supplied as a state is not one of this server's.
public enum StateFileError: Error, Equatable {
    /// It is no state file, or a damaged one; `reason` is the rest of a sentence.
    case corrupt(reason: String)
    /// It is a state of a model with another identity.
    case otherModel(name: String, identity: ModelIdentity)
}

/// A sequence's state as bytes that another process with the same model goes on from.
///
/// A safetensors file with the float32 tensors of `StateLayout.tensors` and this metadata, all of it text: `format`
/// "scanstep-state", `format_version` "2", `model` (a name, for people), the parts of the model's identity `numerics`,
/// `scan`, `weights`, `architecture` and `tensors`, its `fingerprint`, `step` (inputs absorbed), and `sha256` over all
/// others, each followed by a line feed, in this order, and the bytes of the tensors. Version 1, of no release, had the
/// fingerprint alone and is refused.
public struct StateFile: Sendable {
    private static let format = "scanstep-state"
    private static let version = "2"
    private static let keys = ["format", "format_version", "model"] + ModelIdentity.parts + ["fingerprint", "step"]
    /// The longest name of a model, in bytes: that of a folder.
    static let longestName = 255

    /// The name that the model had where the state comes from.
    public let model: String
    /// Of the model that made it.
    public let identity: ModelIdentity
    /// Inputs absorbed.
    public let step: Int
    /// Of the contents: equal where step, model and every byte of the state are equal.
    public let digest: String
    private let entries: [String: SafetensorsHeader.Entry]
    private let bytes: [UInt8]

    /// Whether the metadata of a safetensors file are those of a state file, or what damage has left of them.
    static func claims(_ metadata: [String: String]) -> Bool {
        metadata["format"] == format || metadata["format_version"] != nil
    }

    /// Takes a file apart and checks everything that does not need the model.
    public init(parsing bytes: [UInt8]) throws(StateFileError) {
        let header: SafetensorsHeader
        do throws(SafetensorsHeader.Malformed) {
            header = try SafetensorsHeader(count: bytes.count) { Array(bytes[$0]) }
        } catch {
            throw .corrupt(reason: error.reason)
        }
        func text(_ key: String) throws(StateFileError) -> String {
            guard let text = header.metadata[key] else { throw .corrupt(reason: "its metadata lacks \(key)") }
            return text
        }
        guard try text("format") == Self.format else { throw .corrupt(reason: "its format is not \(Self.format)") }
        guard try text("format_version") == Self.version else {
            throw .corrupt(reason: "its format_version is not \(Self.version), the only one that this server reads")
        }
        (model, digest) = (try text("model"), try text("sha256"))
        guard !model.isEmpty, model.utf8.count <= Self.longestName, model.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { throw .corrupt(reason: "its model is no name") }
        var values: [String] = []
        for part in ModelIdentity.parts { values.append(try text(part)) }
        guard let identity = ModelIdentity(values: values) else {
            throw .corrupt(reason: "its \(ModelIdentity.parts.joined(separator: ", ")) are no identity of a model")
        }
        guard try text("fingerprint") == identity.fingerprint else {
            throw .corrupt(reason: "its fingerprint is not that of its identity")
        }
        self.identity = identity
        let digits = try text("step")
        guard let step = Int(digits), (0...Steps.largest).contains(step), String(step) == digits else {
            throw .corrupt(reason: "its step is not a whole number from 0 to \(Steps.largest)")
        }
        self.step = step
        let data = header.entries.values.map(\.bytes.lowerBound).min() ?? bytes.count
        guard Self.digest(model, identity, step, bytes[data...]) == digest else {
            throw .corrupt(reason: "its sha256 is not that of its contents")
        }
        guard header.otherTypes.isEmpty else { throw .corrupt(reason: "its tensors are not all float32") }
        (entries, self.bytes) = (header.entries, bytes)
    }

    /// The state, if it is one of `model`.
    public func values(for model: RecurrentModel) throws(StateFileError) -> [Float] {
        guard identity == model.identity else { throw .otherModel(name: self.model, identity: identity) }
        var values = [Float](repeating: 0, count: model.state.count)
        let tensors = model.state.tensors
        guard entries.count == tensors.count else {
            throw .corrupt(reason: "it has \(entries.count) tensors, a state of this model has \(tensors.count)")
        }
        for tensor in tensors {
            guard let entry = entries[tensor.name], entry.type == .float32, entry.shape == tensor.shape else {
                throw .corrupt(reason: "tensor \(tensor.name) is missing or not float32 of shape \(tensor.shape)")
            }
            var part = [Float](repeating: 0, count: tensor.range.count)
            let isFinite = unsafe bytes.withUnsafeBytes { bytes in
                unsafe StoredFloat.float32.widen(UnsafeRawBufferPointer(rebasing: bytes[entry.bytes]), into: &part)
            }
            guard isFinite else { throw .corrupt(reason: "tensor \(tensor.name) has a value that is not finite") }
            values.replaceSubrange(tensor.range, with: part)
        }
        return values
    }

    /// The file of a state of `model` after `step` inputs, and its digest.
    public static func encode(
        _ values: [Float], step: Int, of model: RecurrentModel, called name: String
    ) -> (bytes: [UInt8], digest: String) {
        precondition(values.count == model.state.count, "\(values.count) values for a state of \(model.state.count)")
        // Little-endian, as all processors that are served.
        let data = unsafe values.withUnsafeBytes { unsafe Array($0) }
        let digest = digest(name, model.identity, step, data[...])
        var json = JSONWriter(capacity: 1024)
        json.beginObject()
        json.key("__metadata__")
        json.beginObject()
        for (key, text) in zip(keys, metadata(name, model.identity, step)) { json.field(key, text) }
        json.field("sha256", digest)
        json.endObject()
        for tensor in model.state.tensors {
            json.key(tensor.name)
            json.beginObject()
            json.field("dtype", StoredFloat.float32.rawValue)
            json.key("shape")
            json.ints(tensor.shape)
            json.key("data_offsets")
            json.ints([4 * tensor.range.lowerBound, 4 * tensor.range.upperBound])
            json.endObject()
        }
        json.endObject()
        // The data begins at a multiple of eight, as the format's own writers have it.
        let padding = [UInt8](repeating: 0x20, count: (8 - json.bytes.count % 8) % 8)
        let length = UInt64(json.bytes.count + padding.count)
        let prefix = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
        return (prefix + json.bytes + padding + data, digest)
    }

    /// The digest that the file of such a state has.
    public static func digest(
        _ values: [Float], step: Int, of model: RecurrentModel, called name: String
    ) -> String {
        unsafe values.withUnsafeBytes { unsafe digest(name, model.identity, step, Array($0)[...]) }
    }

    /// Values of `keys`.
    private static func metadata(_ model: String, _ identity: ModelIdentity, _ step: Int) -> [String] {
        [format, version, model] + identity.values + [identity.fingerprint, String(step)]
    }

    private static func digest(
        _ model: String, _ identity: ModelIdentity, _ step: Int, _ data: ArraySlice<UInt8>
    ) -> String {
        let sha = SHA256()
        for text in metadata(model, identity, step) { sha.update(text + "\n") }
        unsafe data.withUnsafeBytes { unsafe sha.update($0) }
        return sha.hexadecimal()
    }
}
