import DequeModule
import Kernels
import Recurrent
import Synchronization

/// What an operation asks of the store: memory, and what the store has of its session.
///
/// Memory is reserved before anything is read, so that what comes back has its place. Requests are served in the order
/// in which they came; one that cannot have its memory yet keeps the later ones waiting, so each gets its turn.
///
/// Each request is for all that its operation needs, and who waits holds nothing; who has a grant goes on without
/// waiting again until it has given that back. So the first in line waits only for grants that are sure to come
/// back and for changes that are about to be written, and is refused at once where there are neither.
extension SessionStore {
    /// Damages that are reported one by one.
    private static let namedDamages = 100

    /// What an operation cannot go on without.
    struct Request {
        let needs: Needs
        /// The session that the operation works on, if there is one yet.
        let session: SessionKey?
        let then: @Sendable (Result<Grant, SessionError>) -> Void
    }

    /// Serves as many of the requests as can have their memory at once.
    /// - Parameter isLast: those that cannot are refused.
    func serve(_ requests: [Request], isLast: Bool) {
        waiting += requests
        // Before anything is tried: what comes back from now on is noticed.
        hasWaiting.store(!waiting.isEmpty, ordering: .sequentiallyConsistent)
        var granted: [Granted] = []
        while let request = waiting.first {
            do throws(SessionError) {
                let hasGrants = grants.load(ordering: .sequentiallyConsistent) > 0
                if let found = try reserve(for: request, byForce: !hasGrants) {
                    noteGrant(request.session)
                    granted.append(found)
                } else if !isLast, hasGrants || hasChanges {
                    break
                } else {
                    let needed = try demand(request).bytes
                    request.then(.failure(.storeFull(needed: needed, budget: table.budget)))
                }
            } catch {
                request.then(.failure(error))
            }
            waiting.removeFirst()
        }
        answer(granted)
        hasWaiting.store(!waiting.isEmpty, ordering: .sequentiallyConsistent)
        // Sessions whose changes are not written yet cannot leave the memory.
        if !waiting.isEmpty { hurry() }
    }

    /// The session that a request is about and the bytes that it needs.
    private func demand(_ request: Request) throws(SessionError) -> (record: SessionRecord?, bytes: Int) {
        guard request.needs.state, let session = request.session else { return (nil, request.needs.room) }
        let demand = try table.demand(of: request.needs, session)
        var extras = 0
        do throws(StoreError) {
            for extra in request.needs.extras { extras += try file.bytes(of: extra, of: demand.record) }
        } catch {
            throw .store(error)
        }
        // What was read gives its memory to what is made of it.
        return (demand.record, demand.state + max(demand.room, extras))
    }

    /// Takes what a request needs of the memory, for which sessions move to disk if they must: those that no operation
    /// works on, and by force those that one works on, which then fetches them back. Nil while there is no room.
    private func reserve(for request: Request, byForce: Bool) throws(SessionError) -> Granted? {
        let (record, bytes) = try demand(request)
        guard bytes <= table.budget else { throw .storeFull(needed: bytes, budget: table.budget) }
        var failure: SessionError?
        if table.isCrowded(by: bytes) { failure = spill(.idle, toHave: bytes) }
        if table.reserve(bytes) { return Granted(request: request, record: record, bytes: bytes) }
        if byForce, failure == nil || failure?.isFull == true {
            failure = spill(.allBut(Set(request.session.map { [$0.serial] } ?? [])), toHave: bytes)
            if table.reserve(bytes) { return Granted(request: request, record: record, bytes: bytes) }
        }
        if byForce, let session = request.session, failure == nil || failure?.isFull == true {
            failure = shed(session.id, session.serial)
            while table.dropRecent(of: (session.id, session.serial)), table.lacks(bytes) {}
            // It may no longer share its state with what it has left behind.
            let (record, bytes) = try demand(request)
            if table.reserve(bytes) { return Granted(request: request, record: record, bytes: bytes) }
        }
        if let failure, !failure.isFull { throw failure }
        return nil
    }

    // MARK: Answers

    private struct Granted {
        let request: Request
        let record: SessionRecord?
        let bytes: Int
    }

    /// Reads what was asked for and passes it on.
    private func answer(_ granted: [Granted]) {
        guard !granted.isEmpty else { return }
        func read() throws(StoreError) -> [Result<[Grant.Content], SessionError>] {
            var results: [Result<[Grant.Content], SessionError>] = []
            for item in granted {
                let result = Result { () throws(SessionError) in try contents(item) }
                if case .success(let contents) = result, contents.contains(where: \.isRestoration),
                    item.record!.policy.durability == .none
                {
                    try file.setOut(item.record!.serial, true)
                }
                results.append(result)
            }
            return results
        }
        let results: [Result<[Grant.Content], SessionError>]
        do throws(StoreError) {
            // Before a session moves in memory the database must know that it may.
            let isMarked = granted.contains { $0.record.map { $0.policy.durability == .none } ?? false }
            results = isMarked ? try file.transaction(read) : try read()
        } catch {
            noteFailure(error)
            results = granted.map { _ in .failure(.store(error)) }
        }
        for (item, result) in zip(granted, results) {
            switch result {
            case .success(let contents):
                item.request.then(
                    .success(Grant(bytes: item.bytes, session: item.request.session, contents: contents)))
            case .failure(let error):
                table.release(reserved: item.bytes)
                noteGivenBack(item.request.session)
                item.request.then(.failure(error))
            }
        }
    }

    private func contents(_ item: Granted) throws(SessionError) -> [Grant.Content] {
        guard let record = item.record else { return [] }
        var contents: [Grant.Content]
        do throws(StoreError) {
            contents = try extras(item.request.needs.extras, of: record)
        } catch {
            throw .store(error)
        }
        do throws(StoreError) {
            guard !record.isInMemory, !record.isDamaged else { return contents }
            contents.append(.restoration(try restoration(of: record)))
            return contents
        } catch {
            guard case .damaged(let what) = error else { throw .store(error) }
            table.noteDamage(record)
            noteDamage("\(what); the session is gone unless it is rewound to a state that it keeps, or to step 0")
            throw .gone(id: record.id, reason: .damaged, lastStep: record.step)
        }
    }

    private func extras(_ wanted: [StoredExtra], of record: SessionRecord) throws(StoreError) -> [Grant.Content] {
        let departures = table.departures(record)
        var contents: [Grant.Content] = []
        for extra in wanted {
            switch extra {
            case .checkpoints:
                let (names, damaged) = try file.checkpoints(of: record)
                if damaged > 0 { noteDamage("\(damaged) checkpoints of session \"\(record.id)\" have changed") }
                contents.append(.checkpoints(names, departures))
            case .checkpoint(let name):
                let found = try file.checkpoint(name, of: record)
                if case .damaged = found {
                    noteDamage("checkpoint \"\(name)\" of session \"\(record.id)\" has changed")
                }
                contents.append(.checkpoint(name, found, departures))
            case .reply(let key): contents.append(.reply(key, try file.reply(key, of: record), departures))
            }
        }
        return contents
    }

    /// Reports what has been found to be damaged, once.
    private func noteDamage(_ what: String) {
        guard damages.count <= Self.namedDamages, damages.insert(what).inserted else { return }
        options.notice(
            damages.count <= Self.namedDamages ? what : "more of the database is damaged; this is not reported any more"
        )
    }

    private func restoration(of record: SessionRecord) throws(StoreError) -> Restoration {
        let stored = try file.read(record)
        var (version, step) = (stored.version, stored.step)
        var inputs: [Absorbed] = []
        for move in pendingMoves(record.serial) where move.previous == version && version != record.version {
            for part in move.parts { Self.add(part, to: &inputs) }
            (version, step) = (move.version, step + move.steps)
        }
        guard version == record.version, step == record.step else {
            throw .damaged(what: "session \"\(record.id)\" is at step \(step), not \(record.step)")
        }
        return Restoration(
            record: record, state: stored.state, step: stored.step, inputs: inputs, storedVersion: stored.version)
    }

    /// Inputs that are absorbed in order come to the same in one go.
    private static func add(_ part: Absorbed, to inputs: inout [Absorbed]) {
        let isInOrder = part.scan != .associative && inputs.last.map { $0.scan != .associative } == true
        if !isInOrder || !inputs[inputs.count - 1].input.append(part.input) { inputs.append(part) }
    }
}

extension Grant.Content {
    fileprivate var isRestoration: Bool { if case .restoration = self { true } else { false } }
}

extension SessionError {
    fileprivate var isFull: Bool { if case .storeFull = self { true } else { false } }
}
