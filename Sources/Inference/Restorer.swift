import Recurrent
import Sessions

/// Operations that wait for the store: for memory, or for what the disk has of their sessions.
///
/// One that waits holds nothing that others could wait for, and asks anew for all that it needs. Where the disk has a
/// session as an earlier state and the inputs that lead on from there, these inputs are absorbed first. Only the
/// scheduler's thread uses it.
final class Restorer {
    /// What the store has given, or why it has not.
    typealias Outcome = Result<Grant, SessionError>

    /// What becomes of an operation that need not wait any more.
    struct Exits {
        /// Runs an operation in its model's lane, perhaps not for the first time.
        let run: (Operation) -> Void
        /// Ends an operation.
        let end: (Operation, InferenceError) -> Void
    }

    private let sessions: SessionTable
    private let clock: @Sendable () -> Int64
    /// Called by the store's thread with each answer, for `takeBack` on the scheduler's.
    private let answer: @Sendable (Operation, Outcome) -> Void
    private let exits: Exits
    private var waiting: [ObjectIdentifier: Operation] = [:]

    init(
        _ sessions: SessionTable, clock: @escaping @Sendable () -> Int64, exits: Exits,
        answer: @escaping @Sendable (Operation, Outcome) -> Void
    ) {
        (self.sessions, self.clock, self.exits, self.answer) = (sessions, clock, exits, answer)
    }

    /// Asks the store for what an operation has turned out to need.
    func wait(_ operation: Operation, for error: SessionError) {
        waiting[ObjectIdentifier(operation)] = operation
        sessions.giveBack(operation.reservation)
        operation.fetched = Fetched()
        operation.needs.add(error, hasSession: operation.session != nil)
        let serial = operation.session?.serial ?? operation.work.serial ?? operation.heldSerial
        sessions.ask(for: operation.needs, operation.session?.id ?? operation.sessionID, serial: serial) { [answer] in
            answer(operation, $0)
        }
    }

    /// Goes on with an operation that the store has answered.
    /// - Parameter served: the operation's model.
    func takeBack(_ operation: Operation, _ outcome: Outcome, _ served: @autoclosure () -> ServedModel) {
        guard waiting.removeValue(forKey: ObjectIdentifier(operation)) != nil else {
            // It has ended while it waited.
            if case .success(let grant) = outcome { _ = operation.fetched.take(grant, operation.reservation) }
            return sessions.giveBack(operation.reservation)
        }
        switch outcome {
        case .success(let grant):
            if let restoration = operation.fetched.take(grant, operation.reservation) {
                absorb(restoration, for: operation, served())
            } else {
                exits.run(operation)
            }
        case .failure(.gone(_, .damaged, lastStep: _)) where operation.work.needsNoState: exits.run(operation)
        case .failure(let error): exits.end(operation, .session(error))
        }
    }

    /// Ends those that wait for which there is a reason; the store's answers to them will be dropped.
    func endAll(_ reason: (Operation) -> InferenceError?) {
        for operation in waiting.values {
            guard let error = reason(operation) else { continue }
            waiting[ObjectIdentifier(operation)] = nil
            exits.end(operation, error)
        }
    }

    /// Has the inputs absorbed that lead from a stored state to where its session stands, one after the other, and then
    /// runs the operation.
    private func absorb(_ restoration: Restoration, for operation: Operation, _ served: ServedModel) {
        guard let next = restoration.inputs.first else {
            operation.fetched.restoration = restoration
            return exits.run(operation)
        }
        guard next.input.fits(served.model.configuration) else {
            let what = "the journal has an input of session \"\(restoration.record.id)\" that its model cannot absorb"
            return exits.end(operation, .session(.store(.damaged(what: what))))
        }
        var work = Work(model: operation.work.model, target: .detached, input: next.input)
        (work.outputs, work.scan, work.wantsState) = (.none, next.scan, true)
        work.supplied = Work.SuppliedState(values: restoration.values, step: restoration.step)
        let part = Operation(work, submitted: clock())
        part.follow = { [unowned self] result in
            switch result {
            case .success(let completion):
                absorb(restoration.after(completion.state!, completion.step), for: operation, served)
            case .failure(let error): exits.end(operation, error)
            }
        }
        exits.run(part)
    }
}
