import Kernels
import Recurrent
import Sessions

/// What a lane asks of the table of sessions.
extension Lane {
    func load(_ operation: Operation, _ id: String) throws(SessionError) {
        let record = try sessions.load(
            id, serial: operation.work.serial, into: workspace.states, row: operation.slot, model: served.id,
            operation.fetched, using: operation.reservation)
        operation.fetched.restoration = nil
        operation.session = record
        operation.step = record.step
        operation.awaitCommit(of: record)
    }

    /// Ends an operation that the table has refused, unless it need only wait.
    func refuse(_ operation: Operation, _ error: SessionError) {
        switch error {
        case .onDisk, .extraOnDisk, .makingRoom:
            giveSlotBack(operation)
            // It has been placed, or is not the session as it stands any more.
            operation.fetched.restoration = nil
            wait(operation, error)
        default: end(operation, .failure(.session(error)))
        }
    }

    /// Whether its session has done it before, or another under the same key: then it ends here, or waits for what the
    /// store knows of that.
    func replay(_ operation: Operation, at now: Int64) -> Bool {
        guard let idempotency = operation.work.idempotency, let session = operation.session else { return false }
        let known: StoredReply?
        do throws(SessionError) {
            known = try sessions.reply(
                session.id, serial: session.serial, key: idempotency.key, operation.fetched)
        } catch {
            refuse(operation, error)
            return true
        }
        guard let known else { return false }
        if known.digest == idempotency.digest {
            operation.reply = known.body
            var completion = operation.completion(at: now)
            completion.isReplayed = true
            end(operation, .success(completion))
        } else {
            end(operation, .failure(.keyReused))
        }
        return true
    }

    func fulfilsCondition(_ operation: Operation) -> Bool {
        switch operation.work.condition {
        case nil: return true
        case .absent: return operation.session == nil
        case .present: return operation.session != nil
        case .digest(let wanted):
            guard operation.session != nil else { return false }
            let state = workspace.states.values(operation.slot)
            return wanted.contains(
                StateFile.digest(state, step: operation.step, of: served.model, called: served.id))
        }
    }

    func act(_ operation: Operation, _ completion: inout Completion) throws(SessionError) {
        guard let session = operation.session else { return }
        switch operation.work.action {
        case nil, .tellOutput: break
        case .fork(let ids):
            completion.forks = try sessions.fork(
                session.id, serial: session.serial, into: ids, quota: operation.work.quota,
                using: operation.reservation)
            operation.awaitCommit(of: completion.forks[0])
        case .checkpoint(let name):
            let made = try sessions.checkpoint(
                session.id, serial: session.serial, name: name, operation.fetched, using: operation.reservation)
            completion.checkpoints = [made.checkpoint]
            operation.awaitCommit(of: made.session)
        case .listCheckpoints:
            completion.checkpoints = try sessions.checkpoints(
                session.id, serial: session.serial, operation.fetched)
        case .deleteCheckpoint(let name):
            let record = try sessions.deleteCheckpoint(
                session.id, serial: session.serial, name: name, operation.fetched)
            operation.awaitCommit(of: record)
        case .rewind(let target):
            let record = try rewind(operation, session, to: target)
            (completion.session, completion.step) = (record, record.step)
            operation.awaitCommit(of: record)
        }
    }

    /// Lets the session stand at a state that it keeps, or in that of a new session at step 0, which needs no keeping.
    private func rewind(
        _ operation: Operation, _ session: SessionRecord, to target: RewindTarget
    ) throws(SessionError) -> SessionRecord {
        do throws(SessionError) {
            return try sessions.rewind(
                session.id, serial: session.serial, to: target, operation.fetched, using: operation.reservation)
        } catch .noCheckpoint(.step(0), steps: _) {
            workspace.reset(operation.slot)
            return try sessions.save(
                session.id, serial: session.serial, version: session.version, from: workspace.states,
                row: operation.slot, step: 0, operation.fetched, using: operation.reservation)
        }
    }

    /// Writes the state to its session. False when that failed, and the operation has ended, or must wait.
    func commit(_ operation: Operation) -> Bool {
        var reply: StoredReply?
        if let idempotency = operation.work.idempotency {
            let body = idempotency.reply(operation.completion(at: clock()))
            guard body.count <= StoredReply.largest else {
                end(operation, .failure(.replyTooLarge(limit: StoredReply.largest)))
                return false
            }
            reply = StoredReply(key: idempotency.key, digest: idempotency.digest, body: body)
            operation.reply = body
        }
        do throws(SessionError) {
            if let session = operation.session {
                // To a session that nobody replays it does not matter how it came there.
                let isJournaled = session.policy.durability != .none && operation.work.supplied == nil
                operation.session = try sessions.save(
                    session.id, serial: session.serial, version: session.version, from: workspace.states,
                    row: operation.slot, step: operation.step, absorbed: isJournaled ? operation.unsaved : nil,
                    reply: reply, operation.fetched, using: operation.reservation)
                operation.fetched.restoration = nil
            } else {
                switch operation.work.target {
                case .create(let id): try create(operation, id)
                case .put(let id): try create(operation, id)
                case .session, .detached: break
                }
            }
            operation.noteSaved()
            if let session = operation.session { operation.awaitCommit(of: session) }
            return true
        } catch {
            switch error {
            case .onDisk, .extraOnDisk, .makingRoom:
                operation.parkedState = workspace.states.values(operation.slot)
                operation.isUnsaved = true
            default: break
            }
            refuse(operation, error)
            return false
        }
    }

    private func create(_ operation: Operation, _ id: String?) throws(SessionError) {
        operation.session = try sessions.create(
            id: id, model: served.id, from: workspace.states, row: operation.slot, step: operation.step,
            policy: operation.work.policy, owner: operation.work.owner, quota: operation.work.quota,
            using: operation.reservation)
        operation.isNew = true
    }
}
