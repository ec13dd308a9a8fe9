import Recurrent

/// What a session has beside its state: named checkpoints, and replies to requests that may come again.
extension StoreFile {
    /// Serials of the sessions that have any.
    func serialsWithExtras() throws(StoreError) -> Set<UInt64> {
        var serials: Set<UInt64> = []
        try database.statement("SELECT DISTINCT serial FROM checkpoints UNION SELECT DISTINCT serial FROM replies")
            .rows([]) { (row) throws(StoreError) in
                if let serial = StoredNumber.counter(row.int(0)) { serials.insert(serial) }
            }
        return serials
    }

    // MARK: Checkpoints

    func write(_ checkpoint: StoredCheckpoint, of serial: UInt64) throws(StoreError) {
        let stateDigest = Self.digest(of: checkpoint.state)
        try database.run(
            "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?)", .int(Int(serial)),
            .text(checkpoint.name), .int(checkpoint.step), .real(checkpoint.createdAt),
            .bytes(Self.digest(checkpoint.name, checkpoint.step, checkpoint.createdAt, stateDigest, of: serial)),
            .bytes(stateDigest), .bytes(checkpoint.state))
    }

    func removeCheckpoint(_ name: String, of serial: UInt64) throws(StoreError) {
        try database.run("DELETE FROM checkpoints WHERE serial = ? AND name = ?", .int(Int(serial)), .text(name))
    }

    /// The session's checkpoints without their states, in order of creation, and how many there are that are not what
    /// was written.
    func checkpoints(of record: SessionRecord) throws(StoreError) -> (names: [CheckpointName], damaged: Int) {
        var (found, damaged): ([CheckpointName], Int) = ([], 0)
        try database.statement(
            """
            SELECT name, step, created, digest, state_digest FROM checkpoints WHERE serial = ?
            ORDER BY created, rowid
            """
        ).rows([.int(Int(record.serial))]) { (row) throws(StoreError) in
            if let name = Self.parse(row, of: record) { found.append(name) } else { damaged += 1 }
        }
        return (found, damaged)
    }

    /// One of them with its state.
    func checkpoint(_ name: String, of record: SessionRecord) throws(StoreError) -> FoundCheckpoint {
        var found = FoundCheckpoint.none
        try database.statement(
            "SELECT name, step, created, digest, state_digest, state FROM checkpoints WHERE serial = ? AND name = ?"
        ).rows([.int(Int(record.serial)), .text(name)]) { (row) throws(StoreError) in
            let state = row.bytes(5)
            guard let named = Self.parse(row, of: record), state.count == record.stateBytes,
                row.bytes(4) == Self.digest(of: state)
            else {
                found = .damaged
                return
            }
            found = .there(
                StoredCheckpoint(name: named.name, step: named.step, createdAt: named.createdAt, state: state))
        }
        return found
    }

    /// nil for a row that is not what was written.
    private static func parse(_ row: Statement, of record: SessionRecord) -> CheckpointName? {
        let named = CheckpointName(name: row.text(0), step: row.int(1), createdAt: row.real(2))
        guard (0...Steps.largest).contains(named.step), StoredNumber.times.contains(named.createdAt),
            row.bytes(3) == digest(named.name, named.step, named.createdAt, row.bytes(4), of: record.serial)
        else { return nil }
        return named
    }

    private static func digest(
        _ name: String, _ step: Int, _ createdAt: Double, _ stateDigest: [UInt8], of serial: UInt64
    ) -> [UInt8] {
        var digest = RowDigest()
        digest.add(serial)
        digest.add(name)
        digest.add(step)
        digest.add(createdAt)
        digest.add(stateDigest)
        return digest.bytes()
    }

    private static func digest(of state: [UInt8]) -> [UInt8] {
        RowDigest().bytes(of: state)
    }

    // MARK: Replies

    /// Keeps a reply, and of the others the last ones.
    func write(_ reply: StoredReply, of serial: UInt64) throws(StoreError) {
        try database.run(
            "INSERT OR REPLACE INTO replies VALUES (NULL, ?, ?, ?, ?, ?)", .int(Int(serial)), .text(reply.key),
            .text(reply.digest), .bytes(Self.digest(of: reply, serial)), .bytes(reply.body))
        try database.run(
            """
            DELETE FROM replies WHERE serial = ?1 AND number <= (
                SELECT number FROM replies WHERE serial = ?1 ORDER BY number DESC LIMIT 1 OFFSET \(StoredReply.limit))
            """, .int(Int(serial)))
    }

    /// The reply under that key; nil where there is none.
    func reply(_ key: String, of record: SessionRecord) throws(StoreError) -> StoredReply? {
        var found: StoredReply?
        try database.statement("SELECT key, request, digest, body FROM replies WHERE serial = ? AND key = ?").rows([
            .int(Int(record.serial)), .text(key),
        ]) { (row) throws(StoreError) in
            let reply = StoredReply(key: row.text(0), digest: row.text(1), body: row.bytes(3))
            guard row.bytes(2) == Self.digest(of: reply, record.serial) else {
                throw .damaged(what: "a reply of session \"\(record.id)\" has changed")
            }
            found = reply
        }
        return found
    }

    private static func digest(of reply: StoredReply, _ serial: UInt64) -> [UInt8] {
        var digest = RowDigest()
        digest.add(serial)
        digest.add(reply.key)
        digest.add(reply.digest)
        return digest.bytes(of: reply.body)
    }

    /// Bytes that the memory must have for what is asked of the session.
    func bytes(of extra: StoredExtra, of record: SessionRecord) throws(StoreError) -> Int {
        switch extra {
        case .checkpoints:
            let count = try int("SELECT count(*) FROM checkpoints WHERE serial = ?", of: record)
            return min(max(count, 0), Checkpoint.limit) * SessionTable.checkpointBytes
        case .checkpoint: return record.stateBytes
        case .reply(let key):
            let query = "SELECT coalesce(sum(length(body)), 0) FROM replies WHERE serial = ? AND key = ?"
            return min(max(try int(query, of: record, .text(key)), 0), StoredReply.largest)
        }
    }

    private func int(_ query: String, of record: SessionRecord, _ more: SQLValue...) throws(StoreError) -> Int {
        var value = 0
        try database.statement(query).rows([.int(Int(record.serial))] + more) { (row) throws(StoreError) in
            value = row.int(0)
        }
        return value
    }
}
