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
            wait(operation, error)
        default: end(operation, .failure(.session(error)))
        }
    }

    /// Gives back what the store has granted an operation that now goes on without it.
    func letGo(_ operation: Operation) {
        guard operation.reservation.isGranted else { return }
        sessions.giveBack(operation.reservation)
        (operation.fetched, operation.needs) = (Fetched(), Needs())
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
        guard let action = operation.work.action, let session = operation.session else { return }
        let (id, serial) = (session.id, session.serial)
        switch action {
        case .tellOutput: return
        case .fork(let wanted):
            // Their names are in the reply, which is kept in the same turn.
            let (now, owner) = (sessions.now, SessionID.owner(id))
            let ids = wanted.map { $0 ?? SessionID.scoped(SessionID.random(), owner: owner) }
            var told = completion
            told.forks = ids.map { session.forked(as: $0, at: now) }
            completion.forks = try sessions.fork(
                id, serial: serial, into: ids, quota: operation.work.quota, at: now, reply: reply(operation, told),
                using: operation.reservation)
            operation.awaitCommit(of: completion.forks[0])
        case .checkpoint(let name):
            let now = sessions.now
            var told = completion
            told.checkpoints = [Checkpoint(toBe: name ?? "step-\(session.step)", step: session.step, at: now)]
            let made = try sessions.checkpoint(
                id, serial: serial, name: name, at: now, reply: reply(operation, told), operation.fetched,
                using: operation.reservation)
            completion.checkpoints = [made.checkpoint]
            operation.awaitCommit(of: made.session)
        case .listCheckpoints:
            completion.checkpoints = try sessions.checkpoints(id, serial: serial, operation.fetched)
        case .deleteCheckpoint(let name):
            operation.awaitCommit(
                of: try sessions.deleteCheckpoint(id, serial: serial, name: name, operation.fetched))
        case .rewind(let target):
            var keeping: ((SessionRecord) -> StoredReply)?
            if let idempotency = operation.work.idempotency {
                keeping = { [completion] record in
                    var told = completion
                    (told.session, told.step) = (record, record.step)
                    operation.reply = idempotency.reply(told)
                    return StoredReply(key: idempotency.key, digest: idempotency.digest, body: operation.reply!)
                }
            }
            let record = try rewind(operation, session, to: target, reply: keeping)
            (completion.session, completion.step) = (record, record.step)
            operation.awaitCommit(of: record)
        case .end:
            // Whoever has ended it already has done what is asked.
            if let commit = try? sessions.delete(id, serial: serial) {
                operation.commit = max(operation.commit, commit)
            }
        }
        completion.reply = operation.reply
    }

    /// The reply to a request that may come again, which says `told` of it.
    private func reply(_ operation: Operation, _ told: Completion) throws(SessionError) -> StoredReply? {
        guard let idempotency = operation.work.idempotency else { return nil }
        let body = idempotency.reply(told)
        guard body.count <= StoredReply.largest else { throw .replyTooLarge(limit: StoredReply.largest) }
        operation.reply = body
        return StoredReply(key: idempotency.key, digest: idempotency.digest, body: body)
    }

    /// What the reply says of an operation that has made its session, or moved it, at that time.
    private func completion(of operation: Operation, at time: Double) -> Completion {
        var told = operation.completion(at: clock())
        if let session = operation.session {
            told.session = session.moved(to: operation.step, at: time)
        } else if let id = operation.sessionID {
            told.session = SessionRecord(
                toBe: id, model: served.id, step: operation.step, stateBytes: served.model.state.bytes, at: time,
                policy: operation.work.policy)
            told.isNew = true
        }
        if operation.work.wantsState { told.state = workspace.states.values(operation.slot) }
        return told
    }

    /// Lets the session stand at a state that it keeps, or in that of a new session at step 0, which needs no keeping.
    private func rewind(
        _ operation: Operation, _ session: SessionRecord, to target: RewindTarget,
        reply: ((SessionRecord) -> StoredReply)?
    ) throws(SessionError) -> SessionRecord {
        do throws(SessionError) {
            return try sessions.rewind(
                session.id, serial: session.serial, to: target, reply: reply, operation.fetched,
                using: operation.reservation)
        } catch .noCheckpoint(.step(0), steps: _) {
            workspace.reset(operation.slot)
            operation.needs = operation.needs.moving(keeping: reply == nil ? 0 : SessionTable.smallReply)
            return try sessions.save(
                session.id, serial: session.serial, version: session.version, from: workspace.states,
                row: operation.slot, step: 0, reply: reply?(session.moved(to: 0, at: sessions.now)),
                operation.fetched, using: operation.reservation)
        }
    }

    /// Writes the state to its session. False when that failed, and the operation has ended, or must wait.
    func commit(_ operation: Operation) -> Bool {
        var reply: StoredReply?
        do throws(SessionError) {
            let now = operation.work.idempotency == nil ? nil : sessions.now
            if let now { reply = try self.reply(operation, completion(of: operation, at: now)) }
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
                case .create(let id): try create(operation, id, at: now, reply)
                case .put(let id): try create(operation, id, at: now, reply)
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
                // What it has needed until now it needs no more.
                operation.needs = operation.session == nil ? Needs() : Needs().moving(keeping: reply?.bytes ?? 0)
            default: break
            }
            refuse(operation, error)
            return false
        }
    }

    private func create(
        _ operation: Operation, _ id: String?, at now: Double?, _ reply: StoredReply?
    ) throws(SessionError) {
        operation.session = try sessions.create(
            id: id, model: served.id, from: workspace.states, row: operation.slot, step: operation.step,
            policy: operation.work.policy, owner: operation.work.owner, quota: operation.work.quota, at: now,
            reply: reply, replacing: operation.work.replaces, using: operation.reservation)
        operation.isNew = true
    }
}
