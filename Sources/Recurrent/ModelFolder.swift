import FoundationEssentials
import JSON
import Kernels

/// A model read from a folder: `model.safetensors`, and `config.json` and `tokenizer.json` where they are needed.
public struct ModelFolder: Sendable {
    /// The folder's name, by which clients ask for the model.
    public let id: String
    public let model: RecurrentModel
    /// Nil for a model that is asked by tokens alone.
    public let tokenizer: (any Tokenizer)?

    /// Reads the folder at `path`.
    ///
    /// - Parameters:
    ///   - weights: how weights are kept; by default as the file has them, but widened if not half precision.
    ///   - scan: how prefills are scanned unless they say otherwise.
    public init(path: String, weights: WeightType? = nil, scan: ScanMode = .exact) throws(CheckpointError) {
        id = path.split(separator: "/").last.map(String.init) ?? path
        let file = try TensorFile(path: path + "/model.safetensors")
        let configurationPath = path + "/config.json"
        let root = try Self.json(configurationPath)?.root
        let (configuration, tensors): (ModelConfiguration, ModelTensors)
        if let root, root["layout"] == nil {
            configuration = try ModelConfiguration(json: root, file: configurationPath)
            tensors = try NativeLayout.tensors(of: file, configuration)
        } else {
            let (layout, hints) = try PublishedLayouts.layout(of: file, hints: root, configurationPath)
            configuration = try layout.configuration(of: file, hints)
            tensors = try layout.tensors(of: file, configuration)
        }
        model = try RecurrentModel(configuration, tensors, file: file, weights: weights, scan: scan)
        tokenizer = try Self.tokenizer(in: path, for: model.configuration.input)
    }

    /// What `tokenizer.json` describes; without one, a model of 256 tokens is one of bytes.
    private static func tokenizer(
        in path: String, for input: ModelConfiguration.Input
    ) throws(CheckpointError) -> (any Tokenizer)? {
        let file = path + "/tokenizer.json"
        guard let root = try json(file)?.root else {
            if case .tokens(256) = input { return ByteTokenizer() }
            return nil
        }
        let tokenizer: any Tokenizer
        switch root["kind"]?.string {
        case "characters"?: tokenizer = try CharacterTokenizer(json: root, file: file)
        case "bytes"?: tokenizer = ByteTokenizer()
        case nil where root["model"] != nil:
            let end = try json(path + "/tokenizer_config.json")?.root["eos_token"]
            tokenizer = try BytePairTokenizer(
                json: root, file: file, endOfText: end?.string ?? end?["content"]?.string)
        default:
            throw .configuration(
                file: file,
                reason: "expected {\"kind\": \"characters\", \"characters\": [...]}, {\"kind\": \"bytes\"}, "
                    + "or the byte-level tokenizer.json of Hugging Face")
        }
        let count = tokenizer.vocabularySize
        guard case .tokens(let size) = input else {
            throw .configuration(file: file, reason: "it has \(count) tokens, but the model takes vectors")
        }
        // Models may have more tokens than their tokenizer, so that their number is round; but of a list of characters
        // that is too short some are missing.
        guard count == size || count < size && !(tokenizer is CharacterTokenizer) else {
            throw .configuration(file: file, reason: "it has \(count) tokens, but the model \(size)")
        }
        return tokenizer
    }

    /// Paths of the folders in `directory` that hold a `model.safetensors`, even one that cannot be read, in order of
    /// their names; nil when the directory cannot be read.
    public static func paths(in directory: String) -> [String]? {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else { return nil }
        return names.sorted().map { directory + "/" + $0 }
            .filter { folder in
                let files = try? FileManager.default.contentsOfDirectory(atPath: folder)
                return files?.contains("model.safetensors") ?? false
            }
    }

    /// The parsed file, or nil when there is none.
    private static func json(_ path: String) throws(CheckpointError) -> JSONDocument? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let map = try MappedFile(path: path)
        do {
            return try JSONDocument(parsing: map.bytes(0..<map.count))
        } catch {
            throw .configuration(file: path, reason: "it is not JSON: \(error)")
        }
    }
}
