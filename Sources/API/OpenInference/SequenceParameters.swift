import HTTP
import Inference
import JSON
import Recurrent
import Sessions

/// Triton's sequence extension: which sequence a request belongs to, and whether it begins or ends it.
///
/// A sequence is a session whose id is `sequence:`, the model's id, `:` and the sequence's. So it is the caller's alone, is
/// bounded, expires and outlives the server as any other, and may be looked at and forked by its id.
struct SequenceParameters {
    static let names = ["sequence_id", "sequence_start", "sequence_end"]

    /// As the client calls it.
    let id: String
    let isNumber: Bool
    let starts: Bool
    let ends: Bool

    /// Nil for a request that belongs to none.
    init?(_ fields: Fields) throws(Problem) {
        (starts, ends) = (try fields.bool("sequence_start"), try fields.bool("sequence_end"))
        switch fields["sequence_id"] {
        case nil: id = ""
        case let value? where value.kind == .string: id = value.string ?? ""
        case let value?:
            guard let number = value.int, number >= 0 else {
                throw .invalid("\(fields.place)sequence_id must be a string or a whole number from 0 to \(Int.max).")
            }
            id = number == 0 ? "" : String(number)
        }
        isNumber = fields["sequence_id"]?.kind == .number
        guard id.isEmpty else { return }
        guard !starts, !ends else {
            throw .invalid(
                "\(fields.place)sequence_start and sequence_end need a sequence_id, which is not 0 or empty.")
        }
        return nil
    }

    func write(to json: inout JSONWriter) {
        if isNumber { json.field("sequence_id", Int(id)!) } else { json.field("sequence_id", id) }
    }
}

extension Service {
    /// Has `work` go on with the sequence, or begin it.
    func aim(
        _ work: inout Work, at sequence: SequenceParameters, _ served: ServedModel, _ request: Request
    ) throws(Problem) {
        let name = "sequence:\(served.id):\(sequence.id)"
        guard SessionID.isValid(name) else {
            throw .invalid(
                "Sequence \"\(sequence.id)\" is session \"\(name)\", and the id of a session must be \(SessionID.rule)."
            )
        }
        let scoped = request.scoped(name)
        // In the work's own turn: what comes behind it may begin the sequence anew.
        if sequence.ends { work.action = .end }
        if sequence.starts {
            work.target = .put(scoped)
            work.policy = policy
            if work.supplied == nil { work.supplied = .init(values: served.model.initialState, step: 0) }
            return
        }
        guard work.supplied == nil else {
            throw .invalid("A state goes with the first request of a sequence, whose sequence_start is true.")
        }
        do throws(SessionError) {
            let record = try sessions.record(scoped)
            (work.target, work.serial) = (.session(scoped), record.serial)
        } catch {
            let start = "must specify the START flag on the first request of the sequence"
            switch error {
            case .unknown:
                throw Problem(
                    .badRequest, "sequence-not-found",
                    "inference request for sequence \(sequence.id) to model '\(served.id)' \(start)")
            case .gone(_, let reason, let lastStep):
                throw Problem(
                    .gone, "session-gone",
                    "sequence \(sequence.id) of model '\(served.id)' was \(reason.rawValue) at step \(lastStep): a request "
                        + start)
            default: throw Problem(error)
            }
        }
    }
}
