import HTTP
import Inference
import Recurrent

extension Service {
    /// The model that hidden and cell states start: the one that their metadata name, and without a name the one wanted, else
    /// `present`, that of the session that they are for.
    /// - Parameters:
    ///   - visible: the models that the client may see.
    ///   - wanted: the model that they must be of; one of the same identity may have another name.
    ///   - kept: the model that a session stays of.
    /// - Throws: 409 where the metadata name another model than the one wanted or kept, 422 where there is no model.
    func startedModel(
        of start: StartingState, among visible: [ServedModel], at place: String, wanted: ServedModel?,
        present: ServedModel?, _ kept: KeptModel?
    ) throws(Problem) -> ServedModel {
        let named = visible.first { $0.id == start.model }
        if let wanted {
            guard let name = start.model, name != wanted.id, named?.model.identity != wanted.model.identity else {
                return wanted
            }
            throw Problem(
                .conflict, "state-model-mismatch",
                "\(place) is of model \"\(name.prefix(255))\", the request is for model \"\(wanted.id)\".")
        }
        // That model may not be served, and the states may not fit it.
        if let name = start.model { try kept?.expect(name) }
        guard let served = start.model == nil ? present : named else {
            throw .stateCorrupt(
                place,
                "without the metadata of one it is taken for a session that exists, or for the served model that its "
                    + "metadata name as model"
                    + (start.model.map { ", and no model \"\($0.prefix(255))\" is served" } ?? ""))
        }
        return served
    }

}

/// The model of a session that a state moves without replacing it.
struct KeptModel {
    /// The session's id, as its client knows it.
    let session: String
    let model: String

    /// Refuses a state of another model, called `name`.
    func expect(_ name: String) throws(Problem) {
        guard name != model else { return }
        throw Problem(
            .conflict, "state-model-mismatch",
            "Session \"\(session)\" is of model \"\(model)\", the body is a state of model \"\(name.prefix(255))\".")
    }
}
