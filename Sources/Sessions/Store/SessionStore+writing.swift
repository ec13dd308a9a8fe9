import Kernels
import Recurrent
import Threading

/// What the store's thread does.
extension SessionStore {
    /// Sessions that are written whole in one transaction beside what moved.
    private static let coverLimit = 64
    /// Sessions that leave the memory in one transaction.
    private static let spillLimit = 256
    /// Turns for which somebody waits for room where no session can leave the memory, and the time of each.
    private static let (roomAttempts, roomInterval) = (20, Duration.milliseconds(10))

    func write(_ work: Queue) {
        writeChanges(work.changes)
        restore(work.restores)
        if work.mustSpill { _ = spill(.idle, toHave: 0) }
        makeRoom(stillRoomless + work.roomless, isLast: work.isStopping)
    }

    /// Makes room for as many of those who wait for it as can have it at once, one after the other. The others' sessions
    /// make room, too: else all might wait for all.
    private func makeRoom(_ roomless: [RoomRequest], isLast: Bool) {
        stillRoomless = []
        var (granted, serials): (Int, Set<UInt64>) = (0, [])
        for var request in roomless {
            if let serial = request.serial { serials.insert(serial) }
            let wanted = granted + request.bytes
            var error = spill(.idle, toHave: wanted)
            if case .storeFull = error { error = spill(.allBut(serials), toHave: wanted) }
            if case .storeFull = error, granted > 0 || request.attempts < Self.roomAttempts, !isLast {
                if granted == 0 { request.attempts += 1 }
                if let serial = request.serial { serials.remove(serial) }
                stillRoomless.append(request)
            } else {
                if error == nil { granted = wanted }
                request.then(error)
            }
        }
        if !stillRoomless.isEmpty { tryAgain(in: Self.roomInterval) }
    }

    // MARK: Changes

    private func writeChanges(_ changes: [StoreChange]) {
        let commits = commits(changes.count)
        var failed: [(commit: UInt64, error: StoreError)] = []
        var accepted: [StoreChange] = []
        for (offset, change) in changes.enumerated() {
            if leadsOn(change) {
                accepted.append(change)
            } else if change.isAwaited {
                failed.append((commits!.lowerBound + UInt64(offset), .failed(what: "the move before was not taken")))
            }
        }
        retries.removeAll { retry in
            if case .left = retry.kind { return !table.isOnDisk(retry.id, retry.serial, version: retry.version) }
            return false
        }
        accepted = retries + accepted
        let upTo = commits?.upperBound ?? lastSettled
        var wholes = behind.prefix(Self.coverLimit).compactMap { serial, id in table.snapshot(id, serial, upTo: upTo) }
        var carried: [(id: String, moves: [JournalRecord])] = []
        if journal.bytes > options.journalLimit {
            for (serial, id) in journal.oldest(Self.coverLimit) where behind[serial] == nil {
                if let whole = table.snapshot(id, serial, upTo: upTo) {
                    wholes.append(whole)
                } else {
                    let moves = pendingMoves(serial)
                    if !moves.isEmpty { carried.append((id, moves)) }
                }
            }
        }
        guard !accepted.isEmpty || !wholes.isEmpty || !carried.isEmpty else {
            return settle(commits, nil, failed: failed)
        }
        do throws(StoreError) {
            try write(accepted, wholes, carried)
            for whole in wholes { behind[whole.record.serial] = nil }
            if broken.contains(where: { $0.value == 0 }) { broken = broken.filter { $0.value > 0 } }
            retries = []
            noteSuccess()
            settle(commits, nil, failed: failed)
        } catch {
            fail(accepted, error)
            settle(commits, error)
        }
        if !behind.isEmpty || !retries.isEmpty { tryAgain(in: options.flushInterval) }
    }

    /// Whether what the store has of the session is what the change leads on from.
    private func leadsOn(_ change: StoreChange) -> Bool {
        if case .removed = change.kind {
            (broken[change.serial], behind[change.serial]) = (nil, nil)
            return true
        }
        if let version = broken[change.serial] {
            guard change.previous == version else { return false }
            broken[change.serial] = nil
        }
        return behind[change.serial] == nil
    }

    private func write(
        _ changes: [StoreChange], _ wholes: [StoredSession], _ carried: [(id: String, moves: [JournalRecord])]
    ) throws(StoreError) {
        let row = journal.nextRow
        let needed = journal.forget()
        let records = try file.transaction { () throws(StoreError) in
            var records: [UInt8] = []
            for change in changes { try write(change, &records) }
            for (_, moves) in carried { for move in moves { move.encode(into: &records) } }
            for whole in wholes { try file.write(whole, isOut: false) }
            try file.forgetJournal(before: needed)
            if !records.isEmpty { try file.writeJournal(row: row, records) }
            return records
        }
        if !records.isEmpty { journal.note(row: row, bytes: records.count) }
        for (id, moves) in carried {
            journal.cover(moves[0].serial)
            journal.note(moves[0].serial, id, row: row)
        }
        for change in changes {
            switch change.kind {
            case .moved: journal.note(change.serial, change.id, row: row)
            case .whole, .removed: journal.cover(change.serial)
            case .checkpoint, .checkpointRemoved, .left: break
            }
            if case .whole = change.kind { table.noteStored(change.id, change.serial, version: change.version) }
        }
        for whole in wholes {
            journal.cover(whole.record.serial)
            table.noteStored(whole.record.id, whole.record.serial, version: whole.record.version)
        }
    }

    private func write(_ change: StoreChange, _ records: inout [UInt8]) throws(StoreError) {
        switch change.kind {
        case .moved(let parts, let reply, let time):
            let record = JournalRecord(
                serial: change.serial, previous: change.previous, version: change.version, time: time, parts: parts)
            record.encode(into: &records)
            if let reply { try file.write(reply, of: change.serial) }
        case .whole(let session): try file.write(session, isOut: false)
        case .checkpoint(let checkpoint): try file.write(checkpoint, of: change.serial)
        case .checkpointRemoved(let name): try file.removeCheckpoint(name, of: change.serial)
        case .left: try file.setOut(change.serial, false)
        case .removed: try file.remove(change.serial)
        }
    }

    /// Lets sessions whose moves are waited for go back to what the store has, and has the others written whole later.
    private func fail(_ changes: [StoreChange], _ error: StoreError) {
        noteFailure(error)
        retries = []
        var reverted: [UInt64: [JournalRecord]] = [:]
        for change in changes {
            switch change.kind {
            case .removed, .left: retries.append(change)
            default:
                guard change.isAwaited else {
                    behind[change.serial] = change.id
                    table.noteStored(change.id, change.serial, version: 0)
                    continue
                }
                guard broken[change.serial] == nil else { continue }
                broken[change.serial] = change.previous
                reverted[change.serial] = []
                table.revert(change.id, change.serial, to: change.previous, step: change.previousStep)
            }
        }
        // What the journal has of them nobody had to remember until now. An error shows when they are asked for.
        try? file.journal { (_, _, records) throws(StoreError) in
            for record in records where reverted[record.serial] != nil { reverted[record.serial]!.append(record) }
        }
        for (serial, moves) in reverted where !moves.isEmpty { setPending(serial, moves) }
    }

    private func noteFailure(_ error: StoreError) {
        if !isFailing { options.report(error) }
        isFailing = true
    }

    private func noteSuccess() {
        if isFailing { options.report(nil) }
        isFailing = false
    }

    // MARK: Back into memory

    private func restore(
        _ requests: [(record: SessionRecord, then: @Sendable (Result<Restoration, StoreError>) -> Void)]
    ) {
        guard !requests.isEmpty else { return }
        func read() throws(StoreError) -> [Result<Restoration, StoreError>] {
            var results: [Result<Restoration, StoreError>] = []
            for (record, _) in requests {
                let result = Result { () throws(StoreError) in try restoration(of: record) }
                if case .success = result, record.policy.durability == .none { try file.setOut(record.serial, true) }
                results.append(result)
            }
            return results
        }
        let results: [Result<Restoration, StoreError>]
        do throws(StoreError) {
            // Before it moves in memory the store must know that it may.
            let isMarked = requests.contains { $0.record.policy.durability == .none }
            results = isMarked ? try file.transaction(read) : try read()
        } catch {
            noteFailure(error)
            results = requests.map { _ in .failure(error) }
        }
        for (request, result) in zip(requests, results) { request.then(result) }
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
            record: record, state: stored.state, step: stored.step, inputs: inputs,
            extras: Restoration.Box(stored.extras), storedVersion: stored.version)
    }

    /// Exact inputs come to the same in one go.
    private static func add(_ part: Absorbed, to inputs: inout [Absorbed]) {
        let isExact = part.scan == .exact && inputs.last?.scan == .exact
        if !isExact || !inputs[inputs.count - 1].input.append(part.input) { inputs.append(part) }
    }

    // MARK: Out of memory

    /// Moves the coldest of the sessions that may leave to disk until there is room for so many bytes and a little more.
    /// Returns why not.
    private func spill(_ leaving: SessionTable.Leaving, toHave bytes: Int) -> SessionError? {
        if table.dropPrefixes(toHave: bytes) { return nil }
        while table.isCrowded(by: bytes) {
            let settled = lastSettled
            let cold = table.coldest(Self.spillLimit, of: leaving, upTo: settled)
            if cold.dirty.isEmpty && cold.clean.isEmpty {
                return .storeFull(needed: bytes, budget: table.budget)
            }
            do throws(StoreError) {
                if !cold.dirty.isEmpty {
                    try file.transaction { () throws(StoreError) in
                        for session in cold.dirty {
                            try file.write(session, isOut: session.record.policy.durability == .none)
                        }
                    }
                    noteSuccess()
                }
            } catch {
                noteFailure(error)
                return .store(error)
            }
            for session in cold.dirty {
                journal.cover(session.record.serial)
                behind[session.record.serial] = nil
                table.noteStored(session.record.id, session.record.serial, version: session.record.version)
            }
            // What moves all the time may stay all the time.
            var hasLeft = false
            for record in cold.dirty.map(\.record) + cold.clean {
                // Of sessions at work no more than must.
                if case .allBut = leaving, !table.isCrowded(by: bytes) { break }
                if table.leaveMemory(record, if: leaving, upTo: settled) { hasLeft = true }
            }
            guard hasLeft else { return .storeFull(needed: bytes, budget: table.budget) }
        }
        return nil
    }

    /// Writes what only the memory has, at the end.
    func saveAll() {
        // What leaving sessions and the last of the works have queued.
        while let rest = takeRest() { writeChanges(rest) }
        table.forEachUnsaved(chunk: Self.spillLimit) { sessions in
            do throws(StoreError) {
                try file.transaction { () throws(StoreError) in
                    for session in sessions { try file.write(session, isOut: false) }
                }
            } catch {
                noteFailure(error)
            }
        }
    }

    // MARK: At the start

    func load(into table: SessionTable) throws(StoreError) {
        var moves: [UInt64: [JournalRecord]] = [:]
        var rows: [(row: Int, bytes: Int, serials: [UInt64])] = []
        try file.journal { (row, bytes, records) throws(StoreError) in
            for record in records { moves[record.serial, default: []].append(record) }
            rows.append((row, bytes, records.map(\.serial)))
        }
        // What the journal still has of sessions that have ended must not come to fit a new one.
        let records = moves.values.joined()
        table.neverAgain(
            serial: records.map(\.serial).max() ?? 0, version: records.map(\.version).max() ?? 0)
        var ids: [UInt64: String] = [:]
        var lost: [UInt64] = []
        try file.sessions { (stored, isOut) throws(StoreError) in
            var record = stored
            if isOut && record.policy.durability == .none {
                lost.append(record.serial)
                table.bury(record)
                return
            }
            var chain: [JournalRecord] = []
            for move in moves[record.serial] ?? [] where move.previous == record.version {
                chain.append(move)
                (record.version, record.step) = (move.version, record.step + move.steps)
                record.lastUsedAt = move.time
            }
            if !chain.isEmpty {
                setPending(record.serial, chain)
                ids[record.serial] = record.id
            }
            table.adopt(record, storedVersion: stored.version)
        }
        for (row, bytes, serials) in rows {
            journal.note(row: row, bytes: bytes)
            for serial in serials { if let id = ids[serial] { journal.note(serial, id, row: row) } }
        }
        guard !lost.isEmpty else { return }
        try file.transaction { () throws(StoreError) in for serial in lost { try file.remove(serial) } }
    }
}
