import Recurrent

/// Sessions and their states.
extension StoreFile {
    /// The column `out`: far apart, so that no single bit leads from one to the other. The last is of a session whose
    /// moves are lost.
    private static let (isIn, isOut, isCut) = (0, 0x6F75_7421, 0x1637_2E55)

    /// A row of `sessions`.
    enum Row {
        case session(SessionRecord, identity: String, isOut: Bool)
        /// What it holds was not written there. The numbers and the name may be right, or not.
        case damaged(serial: Int, id: String)
    }

    /// Writes a session as it stands, and adds to the checkpoints and replies that it has in the database those that
    /// the session brings. `isOut` says that it may move in memory without the store's knowing.
    func write(_ session: StoredSession, isOut: Bool) throws(StoreError) {
        let (record, policy) = (session.record, session.record.policy)
        let identity = identities[record.model] ?? ""
        try database.run(
            """
            INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, .int(Int(record.serial)), .text(record.id), .text(record.model), .text(identity), .int(record.step),
            .int(Int(record.version)), .real(record.createdAt), .real(record.lastUsedAt), .real(policy.idle),
            .real(policy.total), .int(policy.recentStates), .text(policy.durability.rawValue),
            .int(session.state.count), .int(isOut ? Self.isOut : Self.isIn),
            .bytes(Self.digest(of: record, stateBytes: session.state.count, identity)))
        try database.run(
            "INSERT OR REPLACE INTO states VALUES (?, ?, ?)", .int(Int(record.serial)),
            .bytes(Self.digest(record.serial, record.version, record.step, session.state)), .bytes(session.state))
        guard let extras = session.extras else { return }
        for checkpoint in extras.checkpoints { try write(checkpoint, of: record.serial) }
        for reply in extras.replies { try write(reply, of: record.serial) }
    }

    func setOut(_ serial: UInt64, _ isOut: Bool) throws(StoreError) {
        try database.run(
            "UPDATE sessions SET out = ? WHERE serial = ?", .int(isOut ? Self.isOut : Self.isIn), .int(Int(serial)))
    }

    /// Takes note that moves of the session are lost: it is damaged from now on.
    func setCut(_ serial: UInt64) throws(StoreError) {
        try database.run("UPDATE sessions SET out = ? WHERE serial = ?", .int(Self.isCut), .int(Int(serial)))
    }

    /// Takes note that every session stands as the database has it.
    func setAllIn() throws(StoreError) {
        try database.run("UPDATE sessions SET out = ? WHERE out = ?", .int(Self.isIn), .int(Self.isOut))
    }

    func remove(_ serial: UInt64) throws(StoreError) {
        for table in ["sessions", "states", "checkpoints", "replies"] {
            try database.run("DELETE FROM \(table) WHERE serial = ?", .int(Int(serial)))
        }
    }

    /// Calls `body` with each row in order of creation.
    func sessions(_ body: (Row) throws(StoreError) -> Void) throws(StoreError) {
        let columns = "serial, id, model, step, version, created, used, idle, total, recent, durability, state_bytes"
        try database.statement("SELECT \(columns), out, identity, digest FROM sessions ORDER BY serial").rows([]) {
            (row) throws(StoreError) in try body(Self.parse(row))
        }
    }

    private static func parse(_ row: Statement) -> Row {
        let damaged = Row.damaged(serial: row.int(0), id: row.text(1))
        guard let serial = StoredNumber.counter(row.int(0)), let version = StoredNumber.counter(row.int(4)),
            SessionID.isScoped(row.text(1)), (0...Steps.largest).contains(row.int(3)),
            StoredNumber.times.contains(row.real(5)), StoredNumber.times.contains(row.real(6)), row.real(7) > 0,
            row.real(8) > 0, (0...SessionPolicy.mostRecentStates).contains(row.int(9)),
            let durability = Durability(rawValue: row.text(10)), (1...StoredNumber.largest).contains(row.int(11)),
            row.int(12) == isIn || row.int(12) == isOut
        else { return damaged }
        let policy = SessionPolicy(
            idle: row.real(7), total: row.real(8), recentStates: row.int(9), durability: durability)
        var record = SessionRecord(
            id: row.text(1), model: row.text(2), step: row.int(3), stateBytes: row.int(11), createdAt: row.real(5),
            lastUsedAt: row.real(6), serial: serial, policy: policy)
        (record.version, record.isInMemory) = (version, false)
        let identity = row.text(13)
        guard row.bytes(14) == digest(of: record, stateBytes: record.stateBytes, identity) else { return damaged }
        return .session(record, identity: identity, isOut: row.int(12) == isOut)
    }

    /// The state of a session, and the version and step it is of.
    func read(_ record: SessionRecord) throws(StoreError) -> (version: UInt64, step: Int, state: [UInt8]) {
        var found: (version: UInt64, step: Int, state: [UInt8])?
        try database.statement(
            """
            SELECT version, step, identity, states.digest, state FROM sessions JOIN states USING (serial)
            WHERE serial = ?
            """
        ).rows([.int(Int(record.serial))]) { (row) throws(StoreError) in
            let (step, state) = (row.int(1), row.bytes(4))
            if let misfit = identities.misfit(record.model, identity: row.text(2)) { throw .otherModel(misfit) }
            guard let version = StoredNumber.counter(row.int(0)),
                row.bytes(3) == Self.digest(record.serial, version, step, state), state.count == record.stateBytes
            else { throw .damaged(what: "the state of session \"\(record.id)\" has changed") }
            found = (version, step, state)
        }
        guard let found else { throw .damaged(what: "the state of session \"\(record.id)\" is not there") }
        return found
    }

    /// The largest serial that any row names, so that no new session has what belongs to another. Numbers that only damage
    /// can have brought there are left out: no session will come to have them.
    func largestSerial() throws(StoreError) -> UInt64 {
        var largest = 0
        for table in ["sessions", "states", "checkpoints", "replies"] {
            let query = "SELECT coalesce(max(serial), 0) FROM \(table) WHERE serial <= \(StoredNumber.largest / 2)"
            largest = max(largest, try database.int(query))
        }
        return UInt64(largest)
    }

    private static func digest(of record: SessionRecord, stateBytes: Int, _ identity: String) -> [UInt8] {
        var digest = RowDigest()
        digest.add(record.serial)
        for text in [record.id, record.model, identity] { digest.add(text) }
        digest.add(record.step)
        digest.add(record.version)
        for time in [record.createdAt, record.lastUsedAt, record.policy.idle, record.policy.total] { digest.add(time) }
        digest.add(record.policy.recentStates)
        digest.add(record.policy.durability.rawValue)
        digest.add(stateBytes)
        return digest.bytes()
    }

    private static func digest(_ serial: UInt64, _ version: UInt64, _ step: Int, _ state: [UInt8]) -> [UInt8] {
        var digest = RowDigest()
        digest.add(serial)
        digest.add(version)
        digest.add(step)
        return digest.bytes(of: state)
    }
}
