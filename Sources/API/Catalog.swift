import Inference
import Recurrent
import Threading

/// The models that may be asked for. Replaced as a whole while requests are served, under the lock: so
/// `@unchecked Sendable`.
public final class Catalog: @unchecked Sendable {
    private let lock = Lock()
    private var served: [ServedModel]
    /// Of every model that was served since the start: sessions in memory are of these weights.
    private var fingerprints: [String: String]

    public init(_ models: [ServedModel]) {
        served = models
        fingerprints = Dictionary(uniqueKeysWithValues: models.map { ($0.id, $0.model.fingerprint) })
    }

    public var models: [ServedModel] { lock.withLock { served } }

    /// Serves these models from now on. Those whose name stands for other weights already are left out, and the model
    /// that has the name stays.
    /// - Returns: the models now served, and the names of those left out.
    public func replace(by models: [ServedModel]) -> (models: [ServedModel], refused: [String]) {
        lock.withLock {
            var (accepted, refused): ([ServedModel], [String]) = ([], [])
            for model in models {
                let known = served.first { $0.id == model.id }
                if fingerprints[model.id, default: model.model.fingerprint] == model.model.fingerprint {
                    fingerprints[model.id] = model.model.fingerprint
                    accepted.append(known ?? model)
                } else {
                    refused.append(model.id)
                    if let known { accepted.append(known) }
                }
            }
            served = accepted
            return (accepted, refused)
        }
    }
}
