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
    /// What the owner of the folder should know though the model is served; nil where there is nothing.
    public let remark: String?

    /// Reads the folder at `path`.
    ///
    /// - Parameters:
    ///   - weights: how weights are kept; by default as the file has them, but widened if not half precision.
    ///   - scan: how prefills are scanned unless they say otherwise.
    public init(path: String, weights: WeightType? = nil, scan: ScanMode = .exact) throws(CheckpointError) {
        id = path.split(separator: "/").last.map(String.init) ?? path
        if let contents = try? FolderContents(path), !contents.isModel {
            throw .unreadable(
                file: path + "/" + FolderContents.weights,
                reason: contents.unserved(at: path) ?? "there is no such file, and a model is a folder that has one")
        }
        let file = try TensorFile(path: path + "/" + FolderContents.weights)
        let architecture = try Architecture(of: file, in: path)
        remark = architecture.remark
        model = try RecurrentModel(
            architecture.configuration, architecture.tensors, file: architecture.file, layout: architecture.layoutName,
            weights: weights, scan: scan)
        tokenizer = try Self.tokenizer(in: path, for: model.configuration.input)
    }

    /// A model's architecture, by its `config.json` or from its tensors.
    private struct Architecture {
        let configuration: ModelConfiguration
        let tensors: ModelTensors
        /// Behind the prefix of the names.
        let file: TensorFile
        /// Of a published layout; nil for the native one.
        var layoutName: String?
        var remark: String?

        init(of file: TensorFile, in path: String) throws(CheckpointError) {
            let configurationPath = path + "/config.json"
            let root = try json(configurationPath)?.root
            let found: PublishedLayouts.Found?
            var hints = LayoutHints()
            var isForeign = false
            switch root.map({ ConfigurationOrigin($0, beside: file) }) {
            case .architecture?:
                configuration = try ModelConfiguration(json: root!, file: configurationPath)
                if !NativeLayout.matches(file), let found = try PublishedLayouts.find(in: file) {
                    throw .configuration(
                        file: configurationPath,
                        reason: "it describes tensors by Scanstep's names, and those of the file are the layout "
                            + "\(found.layout.name), which needs no config.json; remove it")
                }
                self.file = NativeLayout.unwrapped(file)
                tensors = try NativeLayout.tensors(of: self.file, configuration)
                return
            case .hints?: (found, hints) = try PublishedLayouts.named(by: root!, configurationPath, in: file)
            case .foreign?:
                isForeign = true
                found = try PublishedLayouts.find(in: file)
            case nil: found = try PublishedLayouts.find(in: file)
            }
            guard let (layout, file) = found else {
                throw .unknownLayout(tensors: file.names, isForeign: isForeign)
            }
            (self.file, layoutName) = (file, layout.name)
            configuration = try layout.configuration(of: file, hints)
            tensors = try layout.tensors(of: file, configuration, hints)
            guard isForeign, let root else {
                remark = tensors.leftOutRemark
                return
            }
            let fields = root.members.map(\.0)
            let list = fields.prefix(4).joined(separator: ", ") + (fields.count > 4 ? ", …" : "")
            remark =
                "config.json is not Scanstep's (its fields: \(list)) and was not used: the tensors are the layout "
                + layout.name
        }
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
