import HTTP
import Inference
import Recurrent
import Sessions

extension Request {
    /// Whose key the request came with; nil where none is asked for.
    var key: APIKey? { user as? APIKey }

    /// Whose sessions it is about; empty where there are no keys.
    var owner: String { key?.name ?? "" }

    /// What the table of sessions calls the session that the caller calls `id`.
    func scoped(_ id: String) -> String { SessionID.scoped(id, owner: owner) }

    /// Whether the caller may know of a model.
    func maySee(_ served: ServedModel) -> Bool { maySee(served.id) }

    /// The same, by the model's id.
    func maySee(_ model: String) -> Bool { key?.limits.models.map { $0.contains(model) } ?? true }

    /// A work of the caller's.
    func work(_ served: ServedModel, _ target: Work.Target, _ input: InputSequence = .empty) -> Work {
        var work = Work(model: served.id, target: target, input: input)
        if let key { (work.owner, work.quota) = (key.name, key.quota) }
        return work
    }
}
