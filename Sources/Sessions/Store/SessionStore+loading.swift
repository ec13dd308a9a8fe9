import Recurrent

/// What the store does at the start.
extension SessionStore {
    /// Damaged sessions that are reported by name; of more of them only the number.
    private static let namedDamages = 10

    /// Reads what sessions there are into the table.
    func load(into table: SessionTable) throws(StoreError) {
        var moves: [UInt64: [JournalRecord]] = [:]
        var rows: [(row: Int, bytes: Int, serials: [UInt64])] = []
        var gaps = JournalGaps()
        try file.journal { (row) throws(StoreError) in
            switch row {
            case .records(let row, let bytes, let records):
                for record in records { moves[record.serial, default: []].append(record) }
                rows.append((row, bytes, records.map(\.serial)))
            case .damaged(let row, let moved): gaps.add(row, moved)
            }
        }
        // What the journal still has of sessions that have ended must not come to fit a new one.
        let records = moves.values.joined()
        table.neverAgain(
            serial: records.map(\.serial).max() ?? 0, version: records.map(\.version).max() ?? 0)
        let withExtras = try file.serialsWithExtras()
        table.neverAgain(serial: try file.largestSerial(), version: 0)
        var found: [(record: SessionRecord, storedVersion: UInt64)] = []
        var (ids, lost, cut): ([UInt64: String], [SessionRecord], [SessionRecord]) = ([:], [], [])
        var damaged: [(serial: Int, id: String)] = []
        var (misfits, texts): ([Misfit: Int], [String: String]) = ([:], [:])
        try file.sessions { (row) throws(StoreError) in
            guard case .session(let stored, let identity, let isOut) = row else {
                if case .damaged(let serial, let id) = row { damaged.append((serial, id)) }
                return
            }
            var record = stored
            if isOut && record.policy.durability == .none { return lost.append(record) }
            var chain: [JournalRecord] = []
            for move in moves[record.serial] ?? [] where move.previous == record.version {
                chain.append(move)
                (record.version, record.step) = (move.version, record.step + move.steps)
                record.lastUsedAt = move.time
            }
            if gaps.mayHaveCut(record, moves[record.serial] ?? []) { return cut.append(record) }
            if !chain.isEmpty {
                setPending(record.serial, chain)
                ids[record.serial] = record.id
            }
            found.append((record, stored.version))
            if let misfit = identities.misfit(record.model, identity: identity) {
                misfits[misfit, default: 0] += 1
                // One text for all that share it.
                let text = texts[identity] ?? identity
                texts[identity] = text
                note(misfit: record.serial, identity: text)
            }
        }
        if !misfits.isEmpty { options.notice(Self.notice(of: misfits)) }
        try startClock(lastUse: found.map(\.record.lastUsedAt).max())
        for (record, storedVersion) in found {
            table.adopt(record, storedVersion: storedVersion, hasStoredExtras: withExtras.contains(record.serial))
        }
        if let notice = table.nameNotice { options.notice(notice) }
        for (row, bytes, serials) in rows {
            journal.note(row: row, bytes: bytes)
            for serial in serials { if let id = ids[serial] { journal.note(serial, id, row: row) } }
        }
        bury(damaged)
        try bury(cut, gaps)
        for record in lost { table.bury(lost: record) }
        guard !lost.isEmpty else { return }
        try file.transaction { () throws(StoreError) in for record in lost { try file.remove(record.serial) } }
    }

    /// Kinds of sessions that one notice names.
    private static let namedMisfits = 10

    private static func notice(of misfits: [Misfit: Int]) -> String {
        let kinds = misfits.sorted { ($1.value, $0.key.model) < ($0.value, $1.key.model) }.map { misfit, count in
            "\(count) of model \(misfit.model) (\(misfit.difference ?? "not served"))"
        }
        let others = kinds.count > namedMisfits ? ", and \(kinds.count - namedMisfits) kinds more" : ""
        return "stored sessions that no served model fits: \(misfits.values.reduce(0, +)): "
            + kinds.prefix(namedMisfits).joined(separator: ", ") + others
            + "; they stay until they expire or are deleted or replaced"
    }

    /// Leaves damaged rows where they are, for who can mend them, and has their sessions answered as gone.
    private func bury(_ damaged: [(serial: Int, id: String)]) {
        for (index, (serial, id)) in damaged.enumerated() {
            if SessionID.isScoped(id) { table.bury(damaged: id) }
            guard index < Self.namedDamages else { continue }
            options.notice(
                "the database's row \(serial) of session \"\(id.prefix(300))\" is damaged; it stays there and the session is gone"
            )
        }
        if damaged.count > Self.namedDamages {
            options.notice("\(damaged.count) rows of sessions in the database are damaged")
        }
    }

    /// Has sessions of which moves are lost answered as gone, from now on: the rows that show it need not last as long.
    private func bury(_ cut: [SessionRecord], _ gaps: JournalGaps) throws(StoreError) {
        if gaps.isEmpty, cut.isEmpty { return }
        try file.transaction { () throws(StoreError) in
            for record in cut { try file.setCut(record.serial) }
            for row in gaps.rows { try file.forgetJournal(row: row) }
        }
        for row in gaps.rows.prefix(Self.namedDamages) {
            options.notice("the database's row \(row) of the journal is damaged; the moves in it are lost")
        }
        for (index, record) in cut.enumerated() {
            table.bury(damaged: record.id, lastStep: record.step)
            guard index < Self.namedDamages else { continue }
            options.notice(
                "moves of session \"\(record.id.prefix(300))\" after step \(record.step) are lost or may be; it is gone"
            )
        }
        if cut.count > Self.namedDamages { options.notice("of \(cut.count) sessions moves are lost, or may be") }
    }
}

/// Rows of the journal that are damaged, and what that may have taken.
struct JournalGaps {
    private(set) var rows: [Int] = []
    /// By serial, the last version to which such a row moved the session.
    private var moved: [UInt64: UInt64] = [:]
    /// Whether there is one that may have moved any session.
    private var isOpen = false

    var isEmpty: Bool { rows.isEmpty }

    /// - Parameter moved: the sessions that the row moved, and to which versions at last; nil for not known.
    mutating func add(_ row: Int, _ moved: [UInt64: UInt64]?) {
        rows.append(row)
        if let moved { self.moved.merge(moved, uniquingKeysWith: max) } else { isOpen = true }
    }

    /// Whether moves of a session may be lost that lead on from where it stands by what there is: never may a session
    /// stand before a step that was acknowledged.
    /// - Parameter records: what the journal has of the session.
    func mayHaveCut(_ record: SessionRecord, _ records: [JournalRecord]) -> Bool {
        if record.policy.durability == .none { return false }
        if isOpen || moved[record.serial] ?? 0 > record.version { return true }
        return records.contains { $0.version > record.version }
    }
}
