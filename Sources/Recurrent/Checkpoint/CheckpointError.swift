/// Why a model folder cannot be served. The description is one sentence for a log line.
public enum CheckpointError: Error, Equatable, CustomStringConvertible {
    /// A file cannot be opened or mapped; `reason` is the system's.
    case unreadable(file: String, reason: String)
    /// The file is not a well-formed safetensors file.
    case malformed(file: String, reason: String)
    /// `config.json` or `tokenizer.json` says something that is not served.
    case configuration(file: String, reason: String)
    /// No `config.json`, and the tensor names are no published layout.
    case unknownLayout(tensors: [String])
    case missingTensor(String)
    case wrongShape(tensor: String, expected: [Int], found: [Int])
    case wrongType(tensor: String, found: String)
    case nonFinite(tensor: String)
    /// A weight is beyond the largest number of float16, as which it was to be kept.
    case tooLarge(tensor: String, weight: Float)

    public var description: String {
        switch self {
        case .unreadable(let file, let reason): "\(file) cannot be read: \(reason)"
        case .malformed(let file, let reason): "\(file) is not a valid safetensors file: \(reason)"
        case .configuration(let file, let reason): "\(file): \(reason)"
        case .unknownLayout(let tensors):
            "there is no config.json, and the tensor names (\(tensors.joined(separator: ", ")), …) are no known layout"
        case .missingTensor(let name): "tensor \(name) is missing"
        case .wrongShape(let tensor, let expected, let found):
            "tensor \(tensor) has shape \(found), expected \(expected)"
        case .wrongType(let tensor, let found): "tensor \(tensor) has type \(found), expected F32, F16 or BF16"
        case .nonFinite(let tensor): "tensor \(tensor) holds NaN or infinity"
        case .tooLarge(let tensor, let weight):
            "tensor \(tensor) holds \(weight), which float16 cannot: keep its weights as f32 or int8"
        }
    }
}
