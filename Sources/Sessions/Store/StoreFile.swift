import Recurrent

/// The database of sessions: what is in its tables, and how it gets there. One thread at a time.
///
/// A session is a row of `sessions` and one of `states`, at the version that both name. Rows of `journal` lead from
/// there to where it stands. States and rows of the journal carry a digest, for what a disk has changed must not be
/// taken for a state.
final class StoreFile {
    private static let applicationID = 0x5363_616E
    private static let schemaVersion = 1

    private let database: Database
    /// By model id.
    private let fingerprints: Fingerprints

    /// Opens the database in a folder, which is made if it is not there, as its only user.
    /// - Parameters:
    ///   - fingerprints: of the models that are served, by id.
    ///   - limit: bytes that the database may have; nil for what the disk has.
    init(path: String, fingerprints: Fingerprints, limit: Int?, vfs: String?) throws(StoreError) {
        self.fingerprints = fingerprints
        database = try Database(path: path, vfs: vfs)
        do throws(StoreError) {
            try open(limit)
        } catch {
            database.close()
            throw error
        }
    }

    func close() { database.close() }

    private func open(_ limit: Int?) throws(StoreError) {
        // In this order: an exclusive lock needs no shared memory, a full sync outlives a loss of power.
        try database.execute("PRAGMA locking_mode = EXCLUSIVE")
        try database.execute("PRAGMA journal_mode = WAL")
        try database.execute("PRAGMA synchronous = FULL")
        try database.execute("PRAGMA cache_size = -16384")
        try database.execute("PRAGMA wal_autocheckpoint = 4096")
        try database.execute("BEGIN IMMEDIATE")
        let id = try database.int("PRAGMA application_id")
        if id == 0, try database.int("SELECT count(*) FROM sqlite_schema") == 0 {
            try database.execute(Self.schema)
        } else if id != Self.applicationID {
            throw .foreign(what: "it has a database of another program")
        }
        let version = try database.int("PRAGMA user_version")
        guard version == Self.schemaVersion else {
            throw .foreign(what: "its database has format \(version), this program knows \(Self.schemaVersion)")
        }
        try database.execute("COMMIT")
        if let limit {
            let pages = max(1, limit / (try database.int("PRAGMA page_size")))
            try database.execute("PRAGMA max_page_count = \(pages)")
        }
    }

    private static let schema = """
        PRAGMA application_id = \(applicationID);
        PRAGMA user_version = \(schemaVersion);
        CREATE TABLE sessions (
            serial INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, model TEXT NOT NULL, fingerprint TEXT NOT NULL,
            step INTEGER NOT NULL, version INTEGER NOT NULL, created REAL NOT NULL, used REAL NOT NULL,
            idle REAL NOT NULL, total REAL NOT NULL, recent INTEGER NOT NULL, durability TEXT NOT NULL,
            state_bytes INTEGER NOT NULL, is_out INTEGER NOT NULL);
        CREATE TABLE states (serial INTEGER PRIMARY KEY, digest BLOB NOT NULL, state BLOB NOT NULL);
        CREATE TABLE journal (row INTEGER PRIMARY KEY, digest BLOB NOT NULL, records BLOB NOT NULL);
        CREATE TABLE checkpoints (
            serial INTEGER NOT NULL, name TEXT NOT NULL, step INTEGER NOT NULL, created REAL NOT NULL,
            digest BLOB NOT NULL, state BLOB NOT NULL, UNIQUE (serial, name));
        CREATE TABLE replies (
            number INTEGER PRIMARY KEY, serial INTEGER NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL,
            body BLOB NOT NULL, UNIQUE (serial, key));
        """

    /// Does all of `body` or nothing, and has it on the disk when it returns.
    func transaction<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
        try database.execute("BEGIN IMMEDIATE")
        do throws(StoreError) {
            let result = try body()
            try database.execute("COMMIT")
            return result
        } catch {
            // Some errors have ended it already.
            try? database.execute("ROLLBACK")
            throw error
        }
    }

    // MARK: Sessions

    /// Writes a session as it stands. `isOut` says that it may move in memory without the store's knowing.
    func write(_ session: StoredSession, isOut: Bool) throws(StoreError) {
        let (record, policy) = (session.record, session.record.policy)
        try database.run(
            """
            INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, .int(Int(record.serial)), .text(record.id), .text(record.model),
            .text(fingerprints[record.model] ?? ""), .int(record.step), .int(Int(record.version)),
            .real(record.createdAt), .real(record.lastUsedAt), .real(policy.idle), .real(policy.total),
            .int(policy.recentStates), .text(policy.durability.rawValue), .int(session.state.count),
            .int(isOut ? 1 : 0))
        try database.run(
            "INSERT OR REPLACE INTO states VALUES (?, ?, ?)", .int(Int(record.serial)),
            .bytes(Self.digest(record.serial, record.version, record.step, session.state)), .bytes(session.state))
        guard let extras = session.extras else { return }
        try removeExtras(record.serial)
        for checkpoint in extras.checkpoints { try write(checkpoint, of: record.serial) }
        for reply in extras.replies { try write(reply, of: record.serial) }
    }

    func setOut(_ serial: UInt64, _ isOut: Bool) throws(StoreError) {
        try database.run("UPDATE sessions SET is_out = ? WHERE serial = ?", .int(isOut ? 1 : 0), .int(Int(serial)))
    }

    func remove(_ serial: UInt64) throws(StoreError) {
        for table in ["sessions", "states"] {
            try database.run("DELETE FROM \(table) WHERE serial = ?", .int(Int(serial)))
        }
        try removeExtras(serial)
    }

    /// Calls `body` with each session in order of creation, and whether it may have moved in memory since.
    func sessions(_ body: (SessionRecord, Bool) throws(StoreError) -> Void) throws(StoreError) {
        let columns = "serial, id, model, step, version, created, used, idle, total, recent, durability, state_bytes"
        try database.statement("SELECT \(columns), is_out FROM sessions ORDER BY serial").rows([]) {
            (row) throws(StoreError) in
            let (id, idle, total, recent) = (row.text(1), row.real(7), row.real(8), row.int(9))
            guard SessionID.isScoped(id), idle > 0, total > 0, 0...SessionPolicy.mostRecentStates ~= recent,
                let durability = Durability(rawValue: row.text(10)), row.int(0) > 0, row.int(3) >= 0, row.int(11) > 0
            else { throw .damaged(what: "the row of session \"\(id)\" makes no sense") }
            let policy = SessionPolicy(idle: idle, total: total, recentStates: recent, durability: durability)
            var record = SessionRecord(
                id: id, model: row.text(2), step: row.int(3), stateBytes: row.int(11), createdAt: row.real(5),
                lastUsedAt: row.real(6), serial: UInt64(row.int(0)), policy: policy)
            (record.version, record.isInMemory) = (UInt64(row.int(4)), false)
            try body(record, row.int(12) != 0)
        }
    }

    /// The state of a session, the version and step it is of, and what it has beside it.
    func read(
        _ record: SessionRecord
    ) throws(StoreError) -> (version: UInt64, step: Int, state: [UInt8], extras: StoredSession.Extras) {
        var found: (version: UInt64, step: Int, state: [UInt8])?
        try database.statement(
            """
            SELECT version, step, fingerprint, digest, state FROM sessions JOIN states USING (serial) WHERE serial = ?
            """
        ).rows([.int(Int(record.serial))]) { (row) throws(StoreError) in
            let (version, step, state) = (UInt64(row.int(0)), row.int(1), row.bytes(4))
            guard row.text(2) == fingerprints[record.model] else { throw .otherModel(name: record.model) }
            guard row.bytes(3) == Self.digest(record.serial, version, step, state), state.count == record.stateBytes
            else { throw .damaged(what: "the state of session \"\(record.id)\" has changed") }
            found = (version, step, state)
        }
        guard let found else { throw .damaged(what: "the state of session \"\(record.id)\" is not there") }
        var extras = StoredSession.Extras()
        try database.statement(
            "SELECT name, step, created, digest, state FROM checkpoints WHERE serial = ? ORDER BY created, rowid"
        ).rows([.int(Int(record.serial))]) { (row) throws(StoreError) in
            let (step, state) = (row.int(1), row.bytes(4))
            guard row.bytes(3) == Self.digest(record.serial, 0, step, state), state.count == record.stateBytes else {
                throw .damaged(what: "a checkpoint of session \"\(record.id)\" has changed")
            }
            extras.checkpoints.append(
                StoredCheckpoint(name: row.text(0), step: step, createdAt: row.real(2), state: state))
        }
        try database.statement("SELECT key, request, body FROM replies WHERE serial = ? ORDER BY number").rows([
            .int(Int(record.serial))
        ]) { (row) throws(StoreError) in
            extras.replies.append(StoredReply(key: row.text(0), digest: row.text(1), body: row.bytes(2)))
        }
        return (found.version, found.step, found.state, extras)
    }

    // MARK: What a session has beside its state

    func write(_ checkpoint: StoredCheckpoint, of serial: UInt64) throws(StoreError) {
        try database.run(
            "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)", .int(Int(serial)), .text(checkpoint.name),
            .int(checkpoint.step), .real(checkpoint.createdAt),
            .bytes(Self.digest(serial, 0, checkpoint.step, checkpoint.state)), .bytes(checkpoint.state))
    }

    func removeCheckpoint(_ name: String, of serial: UInt64) throws(StoreError) {
        try database.run("DELETE FROM checkpoints WHERE serial = ? AND name = ?", .int(Int(serial)), .text(name))
    }

    /// Keeps a reply, and of the others the last ones.
    func write(_ reply: StoredReply, of serial: UInt64) throws(StoreError) {
        try database.run(
            "INSERT OR REPLACE INTO replies VALUES (NULL, ?, ?, ?, ?)", .int(Int(serial)), .text(reply.key),
            .text(reply.digest), .bytes(reply.body))
        try database.run(
            """
            DELETE FROM replies WHERE serial = ?1 AND number <= (
                SELECT number FROM replies WHERE serial = ?1 ORDER BY number DESC LIMIT 1 OFFSET \(StoredReply.limit))
            """, .int(Int(serial)))
    }

    private func removeExtras(_ serial: UInt64) throws(StoreError) {
        for table in ["checkpoints", "replies"] {
            try database.run("DELETE FROM \(table) WHERE serial = ?", .int(Int(serial)))
        }
    }

    // MARK: The journal

    func writeJournal(row: Int, _ records: [UInt8]) throws(StoreError) {
        try database.run(
            "INSERT INTO journal VALUES (?, ?, ?)", .int(row), .bytes(Self.digest(0, 0, row, records)),
            .bytes(records))
    }

    /// Forgets the rows before `row`.
    func forgetJournal(before row: Int) throws(StoreError) {
        try database.run("DELETE FROM journal WHERE row < ?", .int(row))
    }

    /// Calls `body` with the number, the size in bytes and the records of each row, in order.
    func journal(_ body: (Int, Int, [JournalRecord]) throws(StoreError) -> Void) throws(StoreError) {
        try database.statement("SELECT row, digest, records FROM journal ORDER BY row").rows([]) {
            (row) throws(StoreError) in
            let bytes = row.bytes(2)
            guard row.bytes(1) == Self.digest(0, 0, row.int(0), bytes), let records = JournalRecord.decode(bytes) else {
                throw .damaged(what: "row \(row.int(0)) of the journal has changed")
            }
            try body(row.int(0), bytes.count, records)
        }
    }

    private static func digest(_ serial: UInt64, _ version: UInt64, _ step: Int, _ bytes: [UInt8]) -> [UInt8] {
        let sha = SHA256()
        sha.update("\(serial) \(version) \(step)\n")
        sha.update(bytes)
        return Array(sha.bytes().prefix(16))
    }
}
