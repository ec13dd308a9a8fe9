/// The journal: moves of sessions that lead on from what is written whole of them.
extension StoreFile {
    /// A row of the journal.
    enum JournalRow {
        case records(row: Int, bytes: Int, [JournalRecord])
        /// What it holds was not written there. The sessions that it had moves of, with the version to which it moved
        /// each at last; nil where that is damaged as well.
        case damaged(row: Int, moved: [UInt64: UInt64]?)
    }

    /// Writes a row. Beside the records it has the sessions that they move, with a digest of their own: damage to the
    /// one then does not hide whose moves the other had.
    /// - Parameter moved: the sessions, with the version to which each is moved at last.
    func writeJournal(row: Int, _ records: [UInt8], moved: [UInt64: UInt64]) throws(StoreError) {
        let moved = MovedSessions.encode(moved)
        try database.run(
            "INSERT INTO journal (row, digest, records, moved_digest, moved) VALUES (?, ?, ?, ?, ?)", .int(row),
            .bytes(Self.digest(ofJournal: row, records)), .bytes(records), .bytes(RowDigest().bytes(of: moved)),
            .bytes(moved))
    }

    /// Forgets the rows before `row`.
    func forgetJournal(before row: Int) throws(StoreError) {
        try database.run("DELETE FROM journal WHERE row < ?", .int(row))
    }

    /// Forgets one row.
    func forgetJournal(row: Int) throws(StoreError) {
        try database.run("DELETE FROM journal WHERE row = ?", .int(row))
    }

    /// Calls `body` with each row, in order.
    func journal(_ body: (JournalRow) throws(StoreError) -> Void) throws(StoreError) {
        try database.statement("SELECT row, digest, records, moved_digest, moved FROM journal ORDER BY row").rows([]) {
            (row) throws(StoreError) in
            let (number, bytes) = (row.int(0), row.bytes(2))
            if (1...StoredNumber.largest).contains(number), row.bytes(1) == Self.digest(ofJournal: number, bytes),
                let records = JournalRecord.decode(bytes)
            {
                return try body(.records(row: number, bytes: bytes.count, records))
            }
            let moved = row.bytes(4)
            let isWhole = row.bytes(3) == RowDigest().bytes(of: moved)
            try body(.damaged(row: number, moved: isWhole ? MovedSessions.decode(moved) : nil))
        }
    }

    private static func digest(ofJournal row: Int, _ records: [UInt8]) -> [UInt8] {
        var digest = RowDigest()
        digest.add(row)
        return digest.bytes(of: records)
    }
}

/// Sessions by their serials and the versions to which they moved, as bytes.
private enum MovedSessions {
    static func encode(_ sessions: [UInt64: UInt64]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16 * sessions.count)
        for (serial, version) in sessions.sorted(by: { $0.key < $1.key }) {
            for number in [serial, version] {
                for shift in stride(from: UInt64(0), to: 64, by: 8) {
                    bytes.append(UInt8(truncatingIfNeeded: number >> shift))
                }
            }
        }
        return bytes
    }

    static func decode(_ bytes: [UInt8]) -> [UInt64: UInt64]? {
        guard bytes.count % 16 == 0 else { return nil }
        func number(_ at: Int) -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(bytes[at + $1]) << (8 * UInt64($1)) } }
        var sessions: [UInt64: UInt64] = [:]
        for at in stride(from: 0, to: bytes.count, by: 16) { sessions[number(at)] = number(at + 8) }
        return sessions
    }
}
