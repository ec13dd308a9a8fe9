import Recurrent
import Threading

/// Identities of models by their ids, as texts; they only grow in number. Under the lock: so `@unchecked Sendable`.
final class Identities: @unchecked Sendable {
    private let lock = Lock()
    private var known: [String: String]

    init(_ known: [String: String]) { self.known = known }

    subscript(model: String) -> String? { lock.withLock { known[model] } }

    func add(_ more: [String: String]) { lock.withLock { known.merge(more) { first, _ in first } } }

    /// Why a state of `model` that was stored with the identity `stored` fits nothing here; nil where it fits.
    func misfit(_ model: String, identity stored: String) -> Misfit? {
        guard let served = self[model] else { return Misfit(model: model, difference: nil) }
        if served == stored { return nil }
        guard let stored = ModelIdentity(text: stored), let served = ModelIdentity(text: served) else {
            return Misfit(model: model, difference: "an identity that this server does not know")
        }
        return Misfit(model: model, difference: stored.difference(from: served))
    }
}

/// Why a stored state fits no model that is served.
public struct Misfit: Sendable, Hashable {
    /// The id of the model that made the state.
    public let model: String
    /// In what the state differs from the model that has that id now, as the end of a sentence; nil where none has it.
    public let difference: String?

    public init(model: String, difference: String?) { (self.model, self.difference) = (model, difference) }
}
