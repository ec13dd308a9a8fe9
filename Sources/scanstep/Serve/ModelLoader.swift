import FoundationEssentials
import Inference
import Kernels
import Logging
import Recurrent

/// Loads the models of a folder, and again those that have changed.
struct ModelLoader {
    private let settings: ModelSettings
    private let log: Logger
    /// What the files of each folder were like when they were read, and what came of them.
    private var loaded: [String: (stamp: [String], model: ServedModel)] = [:]

    init(_ settings: ModelSettings, _ log: Logger) { (self.settings, self.log) = (settings, log) }

    /// All models that can be served but those in `left`, and why the others cannot: they are told of in the log.
    mutating func load(without left: Set<String>) throws(Failure) -> (models: [ServedModel], refused: [String: String])
    {
        let directory: ModelDirectory
        do throws(CheckpointError) {
            directory = try ModelDirectory(settings.folder)
        } catch {
            throw Failure("cannot read the folder \(settings.folder)\(error.reason.map { ": \($0)" } ?? "")")
        }
        for path in loaded.keys where !directory.paths.contains(path) { loaded[path] = nil }
        var models: [ServedModel] = []
        var refused: [String: String] = [:]
        for folder in directory.skipped {
            refused[folder.name] = folder.reason
            log.error("no model in \(folder.name): \(folder.reason)", metadata: ["folder": "\(settings.folder)"])
        }
        for path in directory.paths {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            if left.contains(name) { continue }
            do throws(CheckpointError) {
                models.append(try load(path))
            } catch {
                refused[name] = "\(error)"
                log.error("model refused: \(error)", metadata: ["folder": "\(path)"])
            }
        }
        guard models.isEmpty, left.isEmpty else {
            if let weights = directory.ownWeights {
                log.warning("weights beside the folders of models are not served: \(weights)")
            }
            return (models, refused)
        }
        let reason =
            directory.ownWeights
            ?? (refused.isEmpty
                ? "a model is a folder in it that holds a model.safetensors, and there is none" : "the log says why")
        throw Failure("no model in \(settings.folder) can be served: \(reason)")
    }

    /// The model at `path`, read again only if its files have changed.
    mutating func load(_ path: String) throws(CheckpointError) -> ServedModel {
        let stamp = Self.stamp(path)
        if let known = loaded[path], known.stamp == stamp { return known.model }
        let started = ContinuousClock.now
        let folder = try ModelFolder(path: path, weights: settings.weights, scan: settings.scan)
        let model = ServedModel(folder, created: Int(secondsSince1970()))
        if let remark = folder.remark { log.notice("\(model.id): \(remark)") }
        log.info(
            "loaded \(model.id)",
            metadata: [
                "parameters": "\(model.model.parameters)", "weights": "\(model.model.weights.rawValue)",
                "state_bytes": "\(model.model.state.bytes)",
                "ms": "\(((ContinuousClock.now - started) / .microseconds(100)).rounded() / 10)",
            ])
        loaded[path] = (stamp, model)
        return model
    }

    static func identities(_ models: [ServedModel]) -> [String: String] {
        Dictionary(uniqueKeysWithValues: models.map { ($0.id, $0.model.identity.text) })
    }

    private static func stamp(_ path: String) -> [String] {
        ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"].map { name in
            guard let file = try? FileManager.default.attributesOfItem(atPath: path + "/" + name) else { return "" }
            let number = file[.systemFileNumber].map { "\($0)" } ?? ""
            let time = (file[.modificationDate] as? Date).map { "\($0.timeIntervalSince1970)" } ?? ""
            return "\(number) \(file[.size].map { "\($0)" } ?? "") \(time)"
        }
    }
}
