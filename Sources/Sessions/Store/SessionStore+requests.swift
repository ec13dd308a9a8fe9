import DequeModule
import Kernels
import Recurrent

/// What an operation asks of the store: memory, and what the store has of its session.
///
/// Memory is reserved before anything is read, so that what comes back has its place. Requests are served in the order
/// in which they came; one that cannot have its memory yet keeps the later ones waiting, so each gets its turn.
extension SessionStore {
    /// Something that an operation cannot go on without.
    struct Request {
        enum Need {
            /// So many bytes of memory.
            case room(Int)
            /// The session's state, and the memory for it.
            case state
            /// Something that the session has beside its state, and the memory for it.
            case extra(StoredExtra)
        }

        let need: Need
        /// The session that the operation works on, if there is one yet.
        let session: (id: String, serial: UInt64)?
        let then: @Sendable (Result<Grant, SessionError>) -> Void
        /// Since when it has been the first in line, in nanoseconds on the store's clock.
        var firstSince: Int64?
    }

    /// Nanoseconds for which the first in line may wait where no session can leave the memory, and after which the store
    /// looks again.
    private static let (patience, interval) = (Int64(200_000_000), Duration.milliseconds(10))

    /// Serves as many of the requests as can have their memory at once.
    /// - Parameter isLast: those that cannot are refused.
    func serve(_ requests: [Request], isLast: Bool) {
        waiting += requests
        var granted: [Granted] = []
        while let request = waiting.first {
            do throws(SessionError) {
                let (record, bytes) = try demand(request)
                guard try reserve(bytes, for: request) else { break }
                granted.append(Granted(request: request, record: record, bytes: bytes))
            } catch {
                request.then(.failure(error))
            }
            waiting.removeFirst()
        }
        answer(granted)
        guard !waiting.isEmpty else { return }
        if isLast {
            while let request = waiting.popFirst() { request.then(.failure(full(request))) }
        } else {
            let now = clock()
            let since = waiting[0].firstSince ?? now
            waiting[0].firstSince = since
            if now - since >= Self.patience {
                let request = waiting.removeFirst()
                request.then(.failure(full(request)))
            }
        }
        if !waiting.isEmpty { tryAgain(in: Self.interval) }
    }

    /// The session that a request is about and the bytes that it needs.
    private func demand(_ request: Request) throws(SessionError) -> (record: SessionRecord?, bytes: Int) {
        if case .room(let bytes) = request.need { return (nil, bytes) }
        let (id, serial) = request.session!
        let record = try table.record(id, serial: serial)
        guard case .extra(let extra) = request.need else {
            return (record, record.isInMemory ? 0 : record.stateBytes)
        }
        do throws(StoreError) {
            return (record, try file.bytes(of: extra, of: record))
        } catch {
            throw .store(error)
        }
    }

    private func full(_ request: Request) -> SessionError {
        .storeFull(needed: (try? demand(request).bytes) ?? 0, budget: table.budget)
    }

    /// Takes so many bytes of the memory for a request, for which sessions move to disk if they must: first those that
    /// no operation works on. False while there is no room.
    private func reserve(_ bytes: Int, for request: Request) throws(SessionError) -> Bool {
        guard bytes <= table.budget else { throw .storeFull(needed: bytes, budget: table.budget) }
        var failure: SessionError?
        if table.isCrowded(by: bytes) { failure = spill(.idle, toHave: bytes) }
        if table.reserve(bytes) { return true }
        if failure == nil || failure?.isFull == true {
            failure = spill(.allBut(Set(request.session.map { [$0.serial] } ?? [])), toHave: bytes)
            if table.reserve(bytes) { return true }
        }
        if let session = request.session, failure == nil || failure?.isFull == true {
            failure = shed(session.id, session.serial)
            while table.dropRecent(of: session), table.lacks(bytes) {}
            if table.reserve(bytes) { return true }
        }
        if let failure, !failure.isFull { throw failure }
        return false
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
        func read() throws(StoreError) -> [Result<Grant.Content, StoreError>] {
            var results: [Result<Grant.Content, StoreError>] = []
            for item in granted {
                let result = Result { () throws(StoreError) in try content(item) }
                if case .success(.restoration) = result, item.record!.policy.durability == .none {
                    try file.setOut(item.record!.serial, true)
                }
                results.append(result)
            }
            return results
        }
        let results: [Result<Grant.Content, StoreError>]
        do throws(StoreError) {
            // Before a session moves in memory the database must know that it may.
            let isMarked = granted.contains { $0.request.isForState && $0.record!.policy.durability == .none }
            results = isMarked ? try file.transaction(read) : try read()
        } catch {
            noteFailure(error)
            results = granted.map { _ in .failure(error) }
        }
        for (item, result) in zip(granted, results) {
            if case .failure = result { table.release(reserved: item.bytes) }
            item.request.then(result.map { Grant(bytes: item.bytes, content: $0) }.mapError { .store($0) })
        }
    }

    private func content(_ item: Granted) throws(StoreError) -> Grant.Content {
        switch item.request.need {
        case .room: return .nothing
        case .state: return item.record!.isInMemory ? .nothing : .restoration(try restoration(of: item.record!))
        case .extra(let extra):
            let (record, departures) = (item.record!, table.departures(item.record!))
            switch extra {
            case .checkpoints: return .checkpoints(try file.checkpoints(of: record), departures)
            case .checkpoint(let name): return .checkpoint(name, try file.checkpoint(name, of: record), departures)
            case .reply(let key): return .reply(key, try file.reply(key, of: record), departures)
            }
        }
    }

    private func restoration(of record: SessionRecord) throws(StoreError) -> Restoration {
        let stored = try file.read(record)
        var (version, step) = (stored.version, stored.step)
        var inputs: [Absorbed] = []
        for move in pendingMoves(record.serial) where move.previous == version {
            for part in move.parts { Self.add(part, to: &inputs) }
            (version, step) = (move.version, step + move.steps)
        }
        guard version == record.version, step == record.step else {
            throw .damaged(what: "session \"\(record.id)\" is at step \(step), not \(record.step)")
        }
        return Restoration(
            record: record, state: stored.state, step: stored.step, inputs: inputs, storedVersion: stored.version)
    }

    /// Exact inputs come to the same in one go.
    private static func add(_ part: Absorbed, to inputs: inout [Absorbed]) {
        let isExact = part.scan == .exact && inputs.last?.scan == .exact
        if !isExact || !inputs[inputs.count - 1].input.append(part.input) { inputs.append(part) }
    }
}

extension SessionStore.Request {
    fileprivate var isForState: Bool { if case .state = need { true } else { false } }
}

extension SessionError {
    fileprivate var isFull: Bool { if case .storeFull = self { true } else { false } }
}
