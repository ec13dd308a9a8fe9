import FoundationEssentials
import JSON
import Kernels

/// A model read from a folder: `model.safetensors`, and `config.json` and `tokenizer.json` where they are needed.
public struct ModelFolder: Sendable {
    /// The folder's name, by which clients ask for the model.
    public let id: String
    public let model: RecurrentModel
    public let tokenizer: CharacterTokenizer?

    /// Reads the folder at `path`.
    ///
    /// - Parameters:
    ///   - weights: how weights are kept; by default as the file has them, but widened if not half precision.
    ///   - scan: how prefills are scanned unless they say otherwise.
    public init(path: String, weights: WeightType? = nil, scan: ScanMode = .exact) throws(CheckpointError) {
        id = path.split(separator: "/").last.map(String.init) ?? path
        let file = try TensorFile(path: path + "/model.safetensors")
        let configurationPath = path + "/config.json"
        if let json = try Self.json(configurationPath) {
            let configuration = try ModelConfiguration(json: json.root, file: configurationPath)
            model = try RecurrentModel(
                configuration, NativeLayout.tensors(of: file, configuration), file: file, weights: weights, scan: scan)
        } else if let configuration = try MinGRUPyTorchLayout.configuration(of: file) {
            model = try RecurrentModel(
                configuration, MinGRUPyTorchLayout.tensors(of: file, configuration), file: file, weights: weights,
                scan: scan)
        } else {
            throw .unknownLayout(tensors: Array(file.names.prefix(4)))
        }
        let tokenizerPath = path + "/tokenizer.json"
        guard let json = try Self.json(tokenizerPath) else {
            tokenizer = nil
            return
        }
        let tokenizer = try CharacterTokenizer(json: json.root, file: tokenizerPath)
        guard case .tokens(tokenizer.vocabularySize) = model.configuration.input else {
            throw .configuration(
                file: tokenizerPath,
                reason: "it has \(tokenizer.vocabularySize) characters, which the model does not take")
        }
        self.tokenizer = tokenizer
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
