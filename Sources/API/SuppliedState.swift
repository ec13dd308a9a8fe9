import FoundationEssentials
import HTTP
import Inference
import JSON
import Recurrent

extension Service {
    /// Takes a state file apart: the model it is of, and what to go on from. Where `wanted` is given the state must be of
    /// that model; where not, one that has the state's identity is chosen, best one of the same name. Hidden and cell
    /// states alone have no identity: `startedModel` says of which model they are.
    /// - Parameters:
    ///   - present: the model of the session that the state is for.
    ///   - kept: that model, where the session stays of it.
    func suppliedState(
        _ bytes: [UInt8], _ request: Request, at place: String = "The state", of wanted: ServedModel? = nil,
        startOf present: ServedModel? = nil, keeping kept: KeptModel? = nil
    ) throws(Problem) -> (served: ServedModel, state: Work.SuppliedState) {
        let visible = models.filter { request.maySee($0) }
        let start = StartingState(parsing: bytes)
        let started = try start.map { (start) throws(Problem) in
            try startedModel(of: start, among: visible, at: place, wanted: wanted, present: present, kept)
        }
        do throws(StateFileError) {
            if let start, let started {
                return (started, Work.SuppliedState(values: try start.values(for: started.model), step: 0))
            }
            let file = try StateFile(parsing: bytes)
            let fitting = (wanted.map { [$0] } ?? visible).filter { $0.model.identity == file.identity }
            guard let served = fitting.first(where: { $0.id == file.model }) ?? fitting.first else {
                throw .otherModel(name: file.model, identity: file.identity)
            }
            return (served, Work.SuppliedState(values: try file.values(for: served.model), step: file.step))
        } catch {
            switch error {
            case .corrupt(let reason):
                throw Problem.stateCorrupt(place, reason)
            case .otherModel(let name, let identity):
                // The model to compare it with: the one wanted, that of its name, or one with its tensors.
                let served =
                    wanted ?? visible.first { $0.id == name }
                    ?? visible.first { $0.model.identity.tensors == identity.tensors }
                throw Problem.stateMismatch(place, name, identity, served)
            }
        }
    }
}

extension Problem {
    /// What a client supplied, at `place`, is no state; `reason` is the rest of a sentence.
    static func stateCorrupt(_ place: String, _ reason: String) -> Problem {
        Problem(.unprocessableContent, "state-corrupt", "\(place) is no state file: \(reason).")
    }

    /// A state, at `place`, of a model called `name` does not fit `served`, or no model at all.
    fileprivate static func stateMismatch(
        _ place: String, _ name: String, _ identity: ModelIdentity, _ served: ServedModel?
    ) -> Problem {
        guard let served, let difference = identity.difference(from: served.model.identity) else {
            return Problem(
                .conflict, "state-model-mismatch",
                "\(place) is of model \"\(name)\": no model of that name is served, and none with its tensors."
            ).with("fingerprint", identity.fingerprint)
        }
        return Problem(
            .conflict, "state-model-mismatch",
            "\(place) is of model \"\(name)\"; compared with model \"\(served.id)\" as it is served, it has \(difference)."
        ).with("fingerprint", identity.fingerprint).with(differences: identity.differences(from: served.model.identity))
    }

    /// With the names of the parts of an identity that differ.
    func with(differences: [String]) -> Problem {
        var json = JSONWriter()
        json.beginArray()
        for part in differences { json.string(part) }
        json.endArray()
        var problem = self
        problem.members.append(("differences", .json(json)))
        return problem
    }
}

extension Fields {
    /// The state file in the field `state`, in base64.
    func stateFile() throws(Problem) -> [UInt8]? {
        guard let text = try string("state") else { return nil }
        // The parser takes any padding, and bits behind the last byte: there is one way to write it.
        guard let data = Data(base64Encoded: text), data.base64EncodedString() == text else {
            throw .invalid("\(place)state must be base64 (RFC 4648 §4).")
        }
        return [UInt8](data)
    }
}

extension JSONWriter {
    /// Writes the state that a work ended with as `state`, in base64.
    mutating func state(_ completion: Completion, of served: ServedModel) {
        guard let values = completion.state else { return }
        let file = StateFile.encode(values, step: completion.step, of: served.model, called: served.id)
        field("state", Data(file.bytes).base64EncodedString())
    }
}
