/// Why a model folder cannot be served. The description is one sentence for a log line.
public enum CheckpointError: Error, Equatable, CustomStringConvertible {
    /// A file cannot be opened or mapped; `reason` is the system's.
    case unreadable(file: String, reason: String)
    /// The file is not a well-formed safetensors file.
    case malformed(file: String, reason: String)
    /// `config.json` or `tokenizer.json` says something that is not served.
    case configuration(file: String, reason: String)
    /// No `config.json` of Scanstep's, and the tensor names are no published layout; `isForeign` where there is a
    /// `config.json` of somebody else.
    case unknownLayout(tensors: [String], isForeign: Bool)
    /// The tensor names are of more than one model or layout, each described by `found`; the `config.json` that
    /// `settles` it, where there is one.
    case ambiguousLayout(found: [String], settles: String? = nil)
    /// Beside the tensors of a layout, behind `prefix`, there are others.
    case strangers(layout: String, prefix: String, tensors: [String])
    case missingTensor(String)
    /// As `missingTensor`, of a tensor whose shape the others show, or what they show of it.
    case missing(tensor: String, expected: String)
    case wrongShape(tensor: String, expected: [Int], found: [Int])
    /// A matrix was expected, of at least one row and column.
    case noMatrix(tensor: String, found: [Int])
    case wrongType(tensor: String, found: String)
    /// A tensor has another type than those that it belongs with, of which `others` is one.
    case mixedTypes(tensor: String, found: String, others: String, expected: String)
    case nonFinite(tensor: String)
    /// A weight is beyond the largest number of float16, as which it was to be kept.
    case tooLarge(tensor: String, weight: Float)

    public var description: String {
        switch self {
        case .unreadable(let file, let reason): "\(file) cannot be read: \(reason)"
        case .malformed(let file, let reason): "\(file) is not a valid safetensors file: \(reason)"
        case .configuration(let file, let reason): "\(file): \(reason)"
        case .unknownLayout(let tensors, let isForeign):
            (isForeign ? "its config.json is not Scanstep's" : "there is no config.json")
                + ", and the tensor names (\(Self.list(tensors))) are no known layout: \(Self.family(of: tensors))"
        case .ambiguousLayout(let found, let settles):
            "the tensors are of more than one model: \(found.joined(separator: ", ")); "
                + (settles.map { "a config.json \($0) says that the others are modules beside a stack; or " } ?? "")
                + "save the state_dict() of one alone, or choose one by `convert.py --prefix`"
        case .strangers(let layout, let prefix, let tensors):
            "the tensors behind \"\(prefix)\" are the layout \(layout), but others are not of it "
                + "(\(Self.list(tensors))): save the state_dict() of that module alone, or choose it by "
                + "`convert.py --prefix \(prefix)`"
        case .missingTensor(let name): "tensor \(name) is missing; the file must hold a whole state_dict()"
        case .missing(let tensor, let expected):
            "tensor \(tensor) is missing, expected \(expected); the file must hold a whole state_dict()"
        case .wrongShape(let tensor, let expected, let found):
            "tensor \(tensor) has shape \(found), expected \(expected)"
        case .noMatrix(let tensor, let found):
            "tensor \(tensor) has shape \(found), expected a matrix of at least one row and one column"
        case .wrongType(let tensor, let found):
            "tensor \(tensor) has type \(found), expected F32, F16 or BF16"
                + (found == "F64" ? ": save it after model.float()" : "")
        case .mixedTypes(let tensor, let found, let others, let expected):
            "tensor \(tensor) has type \(found), expected \(expected) as \(others): save all layers with one type"
        case .nonFinite(let tensor):
            "tensor \(tensor) holds NaN or infinity: training has diverged, or the file is damaged"
        case .tooLarge(let tensor, let weight):
            "tensor \(tensor) holds \(weight), which float16 cannot: keep its weights as f32 or int8"
        }
    }

    /// What is wrong with a file that cannot be read.
    public var reason: String? { if case .unreadable(_, let reason) = self { reason } else { nil } }

    /// The first few of `names`.
    private static func list(_ names: [String]) -> String {
        names.prefix(4).joined(separator: ", ") + (names.count > 4 ? ", …" : "")
    }

    /// What tensors of no known layout are, where their names show it; else which layouts there are.
    private static func family(of names: [String]) -> String {
        func have(_ part: String) -> Bool { names.contains { $0.contains(part) } }
        if have("mixer.A_log") { return "they are of Mamba, which is not served" }
        if have("attn.") || have("attention.") {
            return "they are of a transformer; only recurrent networks are served"
        }
        let layouts = PublishedLayouts.all.map { $0.name }.joined(separator: ", ")
        return "known are \(layouts); anything else needs a config.json, which the README describes"
    }
}
