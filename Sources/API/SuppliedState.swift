import FoundationEssentials
import HTTP
import Inference
import JSON
import Recurrent

extension Service {
    /// Takes a state file apart: the model it is of, and what to go on from.
    func suppliedState(
        _ bytes: [UInt8], _ request: Request, at place: String = "The state"
    ) throws(Problem) -> (served: ServedModel, state: Work.SuppliedState) {
        do throws(StateFileError) {
            let file = try StateFile(parsing: bytes)
            guard
                let served = models.first(where: {
                    $0.model.fingerprint == file.fingerprint && request.maySee($0)
                })
            else {
                throw .otherModel(name: file.model, fingerprint: file.fingerprint)
            }
            return (served, Work.SuppliedState(values: try file.values(for: served.model), step: file.step))
        } catch {
            switch error {
            case .corrupt(let reason):
                throw Problem(.unprocessableContent, "state-corrupt", "\(place) is no state file: \(reason).")
            case .otherModel(let name, let fingerprint):
                throw Problem(
                    .conflict, "state-model-mismatch",
                    "\(place) is of model \"\(name)\" with another fingerprint than any model here, or other weights."
                ).with("fingerprint", fingerprint)
            }
        }
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
