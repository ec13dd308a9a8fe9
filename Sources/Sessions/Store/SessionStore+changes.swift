import Kernels
import Recurrent
import Threading

/// How what has changed gets into the database.
extension SessionStore {
    /// Sessions that are written whole in one transaction beside what moved.
    private static let coverLimit = 64

    func write(_ work: Queue) {
        noteClock()
        writeChanges(work.changes)
        serve(work.requests, isLast: work.isStopping)
        if work.mustSpill { _ = spill(.idle, toHave: 0) }
    }

    func writeChanges(_ changes: [StoreChange]) {
        let commits = commits(changes.count)
        let bytes = changes.reduce(0) { $0 + $1.bytes }
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
            return settle(commits, bytes, nil, failed: failed)
        }
        do throws(StoreError) {
            try write(accepted, wholes, carried)
            for whole in wholes { behind[whole.record.serial] = nil }
            if broken.contains(where: { $0.value == 0 }) { broken = broken.filter { $0.value > 0 } }
            retries = []
            noteSuccess()
            settle(commits, bytes, nil, failed: failed)
        } catch {
            fail(accepted, error)
            settle(commits, bytes, error)
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
            if !records.isEmpty {
                var moved: [UInt64: UInt64] = [:]
                for change in changes { if case .moved = change.kind { moved[change.serial] = change.version } }
                for (_, moves) in carried {
                    moved[moves[0].serial] = max(moved[moves[0].serial] ?? 0, moves.last!.version)
                }
                try file.writeJournal(row: row, records, moved: moved)
            }
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
            case .checkpoint, .checkpointRemoved, .reply, .left: break
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
        case .reply(let reply): try file.write(reply, of: change.serial)
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
                    // Writing the session whole would not remove it.
                    if case .checkpointRemoved = change.kind { retries.append(change) }
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
        try? file.journal { (row) throws(StoreError) in
            guard case .records(_, _, let records) = row else { return }
            for record in records where reverted[record.serial] != nil { reverted[record.serial]!.append(record) }
        }
        for (serial, moves) in reverted where !moves.isEmpty { setPending(serial, moves) }
    }

    func noteFailure(_ error: StoreError) {
        if !isFailing { options.report(error) }
        isFailing = true
    }

    func noteSuccess() {
        if isFailing { options.report(nil) }
        isFailing = false
    }
}
