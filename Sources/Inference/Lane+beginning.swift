import Kernels
import Recurrent
import Sessions

/// How operations begin: with which state, and on which conditions.
extension Lane {
    func start(_ operation: Operation, _ slot: Int, at now: Int64) {
        workspace.touch(sequence: slot)
        operation.slot = slot
        operation.slotTick = ticks
        operation.slotConsumed = operation.consumed
        if let reason = operation.dropReason(at: now) { return end(operation, .failure(reason)) }
        if let state = operation.parkedState {
            workspace.states.set(slot, to: state)
            operation.parkedState = nil
            guard operation.isUnsaved else { return resume(operation) }
            operation.isUnsaved = false
            settle(operation, at: now)
            if operation.slot >= 0 { resume(operation) }
            return
        }
        operation.started = now
        do throws(SessionError) {
            switch operation.work.target {
            case .detached: workspace.reset(slot)
            case .create(let id):
                if let id, !operation.work.replaces, let record = try? sessions.record(id) {
                    guard operation.work.idempotency != nil, record.model == served.id else { throw .exists(id: id) }
                    // This very request may have made it.
                    try load(operation, id)
                } else {
                    workspace.reset(slot)
                }
            case .session(let id):
                if operation.work.needsNoState,
                    let record = sessions.damaged(id, serial: operation.work.serial, model: served.id)
                {
                    workspace.reset(slot)
                    (operation.session, operation.step) = (record, record.step)
                } else {
                    try load(operation, id)
                }
            case .put(let id):
                if !operation.work.replaces, (try? sessions.record(id)) != nil { try load(operation, id) }
            }
        } catch {
            return refuse(operation, error)
        }
        if replay(operation, at: now) { return }
        if case .create(let id?) = operation.work.target, operation.session != nil {
            return refuse(operation, .exists(id: id))
        }
        guard fulfilsCondition(operation) else { return end(operation, .failure(.conditionFailed)) }
        if let supplied = operation.work.supplied {
            workspace.states.set(slot, to: supplied.values)
            operation.step = supplied.step
        }
        begin(operation, at: now)
    }

    /// Goes on with a work whose state is there.
    func begin(_ operation: Operation, at now: Int64) {
        let work = operation.work
        if let expected = work.expectedStep, expected != operation.step {
            return end(operation, .failure(.stepMismatch(expected: expected, step: operation.step)))
        }
        if let expected = work.expectedVersion, expected != operation.session?.stateVersion {
            return end(operation, .failure(.stateReplaced))
        }
        let emitted = work.generation.map { $0.maximumTokens - $0.prior.count } ?? 0
        guard work.input.count + emitted <= Steps.largest - operation.step else {
            return end(operation, .failure(.stepLimit(step: operation.step, limit: Steps.largest)))
        }
        if let generation = work.generation {
            if operation.step == 0 && work.input.count == 0 { return end(operation, .failure(.nothingAbsorbed)) }
            operation.generator = Generator(generation, served.tokenizer)
            operation.savedTokens = generation.prior.count
        } else if work.action == .tellOutput {
            if operation.step == 0 { return end(operation, .failure(.nothingAbsorbed)) }
            awaitingOutput.append(operation)
            return resume(operation)
        } else if work.input.count == 0 {
            // To look at a session is not to move it.
            let isMoved = work.supplied != nil || operation.session == nil
            if !isMoved || commit(operation) { succeed(operation, at: now) }
            return
        }
        guard resumePrefix(operation) else { return }
        let isAbsorbed = operation.remaining == 0
        if isAbsorbed, work.generation == nil, work.outputs == .none { return settle(operation, at: now) }
        if isAbsorbed || work.score && operation.step > 0 { awaitingOutput.append(operation) }
        resume(operation)
    }

    private func resume(_ operation: Operation) {
        if operation.remaining > 1 { absorbing.append(operation) } else { stepping.append(operation) }
    }
}
