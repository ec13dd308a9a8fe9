import Kernels
import Recurrent

/// How sessions leave the memory.
extension SessionStore {
    /// Sessions that leave the memory in one transaction: of those at rest, and of those that operations work on.
    private static let (spillLimit, busyLimit) = (256, 16)

    /// Moves the coldest of the sessions that may leave to disk until there is room for so many bytes, and a little more
    /// where that costs no operation anything. Returns why not.
    func spill(_ leaving: SessionTable.Leaving, toHave bytes: Int) -> SessionError? {
        if table.dropPrefixes(toHave: bytes) { return nil }
        let isIdle = if case .idle = leaving { true } else { false }
        while isIdle ? table.isCrowded(by: bytes) : table.lacks(bytes) {
            let settled = lastSettled
            let cold = table.coldest(isIdle ? Self.spillLimit : Self.busyLimit, of: leaving, upTo: settled)
            if cold.dirty.isEmpty && cold.clean.isEmpty {
                return .storeFull(needed: bytes, budget: table.budget)
            }
            let records = cold.dirty.map(\.record) + cold.clean
            if let error = write(cold.dirty) {
                if !isIdle { for record in records { table.stay(record) } }
                return .store(error)
            }
            var hasLeft = false
            for record in records {
                if isIdle || table.lacks(bytes), table.leaveMemory(record, if: leaving, upTo: settled) {
                    hasLeft = true
                } else if !isIdle {
                    table.stay(record)
                }
            }
            guard hasLeft else { return .storeFull(needed: bytes, budget: table.budget) }
        }
        return nil
    }

    /// Takes the checkpoints and replies of a session out of the memory, where they take the room that the session
    /// itself needs. Returns why not.
    func shed(_ id: String, _ serial: UInt64) -> SessionError? {
        guard let whole = table.snapshot(id, serial, upTo: lastSettled), whole.extras?.isEmpty == false else {
            return nil
        }
        if let error = write([whole]) { return .store(error) }
        table.shedExtras(whole.record)
        return nil
    }

    /// Writes sessions whole, of which the memory has more than the database.
    private func write(_ sessions: [StoredSession]) -> StoreError? {
        guard !sessions.isEmpty else { return nil }
        do throws(StoreError) {
            try file.transaction { () throws(StoreError) in
                for session in sessions {
                    try file.write(session, isOut: session.record.policy.durability == .none)
                }
            }
        } catch {
            noteFailure(error)
            return error
        }
        noteSuccess()
        for session in sessions {
            let record = session.record
            journal.cover(record.serial)
            behind[record.serial] = nil
            if !table.noteStored(record.id, record.serial, version: record.version) { forget(record) }
        }
        return nil
    }

    /// Removes a session that has ended while it was written.
    private func forget(_ record: SessionRecord) {
        let removal = StoreChange(
            id: record.id, serial: record.serial, previous: record.version, previousStep: record.step,
            version: record.version, isAwaited: false, kind: .removed)
        // It is tried again until it is done.
        retries.append(removal)
        tryAgain(in: options.flushInterval)
    }

    /// Writes what only the memory has, at the end.
    /// - Returns: of how many sessions the disk did not take everything.
    func saveAll() -> Int {
        noteClock()
        // What is to be tried again, and what leaving sessions and the last operations have queued.
        writeChanges([])
        while let rest = takeRest() { writeChanges(rest) }
        var (lost, isHopeless) = (0, false)
        table.forEachUnsaved(chunk: Self.spillLimit) { sessions in
            let failed = isHopeless ? sessions.count : save(sessions[...])
            // A disk that takes none of so many is not asked for each of a million.
            isHopeless = failed == sessions.count
            lost += failed
        }
        // An operation that had fetched its session may have ended before it moved it.
        if lost == 0, retries.isEmpty { try? file.transaction { () throws(StoreError) in try file.setAllIn() } }
        return lost
    }

    /// Writes as many of the sessions as the disk takes, and returns how many it does not.
    private func save(_ sessions: ArraySlice<StoredSession>) -> Int {
        do throws(StoreError) {
            try file.transaction { () throws(StoreError) in
                for session in sessions { try file.write(session, isOut: false) }
            }
            return 0
        } catch {
            noteFailure(error)
            guard sessions.count > 1 else { return 1 }
            let middle = sessions.startIndex + sessions.count / 2
            return save(sessions[..<middle]) + save(sessions[middle...])
        }
    }
}
