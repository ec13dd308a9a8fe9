import Glibc
import Recurrent

/// The database of sessions: its tables and how they are read and written. One thread at a time.
///
/// A session is a row of `sessions` and one of `states`, at the version that both name. Rows of `journal` lead from
/// there to where the session stands. Every row carries a digest of its contents, because what a disk has changed must
/// not be taken for a session: see `StoreFile+sessions.swift` and `StoreFile+extras.swift`.
final class StoreFile {
    private static let applicationID = 0x5363_616E
    private static let schemaVersion = 3

    let database: Database
    /// By model id.
    let identities: Identities
    let path: String
    /// The files, the database first, as the last transaction left them; none where they are not the system's own.
    private var files: [FileMark] = []
    let isSystems: Bool
    var log: WriteAheadLog
    /// Bytes of a page of the database.
    private(set) var pageBytes = 4096
    /// How often the log was copied, or was to be.
    var logCopies = 0

    /// Opens the database in a folder, which is made if it is not there, as its only user.
    /// - Parameters:
    ///   - identities: of the models that are served, by id.
    ///   - limit: bytes that the database and its log may have; nil for what the disk has.
    init(path: String, identities: Identities, limit: Int?, vfs: String?) throws(StoreError) {
        (self.path, self.identities, isSystems, log) = (path, identities, vfs == nil, WriteAheadLog(limit: limit))
        database = try Database(path: path, vfs: vfs)
        do throws(StoreError) {
            try open(limit)
        } catch {
            database.close()
            throw error
        }
        if isSystems { files = ["", "-wal"].compactMap { FileMark(path + $0) } }
    }

    func close() { database.close() }

    private func open(_ limit: Int?) throws(StoreError) {
        // In this order: an exclusive lock needs no shared memory, a full sync outlives a loss of power.
        try database.execute("PRAGMA locking_mode = EXCLUSIVE")
        try database.execute("PRAGMA journal_mode = WAL")
        try database.execute("PRAGMA synchronous = FULL")
        try database.execute("PRAGMA cache_size = -16384")
        try database.execute("BEGIN IMMEDIATE")
        let id = try database.int("PRAGMA application_id")
        if id == 0, try database.int("SELECT count(*) FROM sqlite_schema") == 0 {
            try database.execute(Self.schema)
        } else if id != Self.applicationID {
            throw .foreign(what: "it has a database of another program")
        } else if try database.int("PRAGMA user_version") == 2 {
            try database.execute(Self.changesSince2)
        }
        let version = try database.int("PRAGMA user_version")
        guard version == Self.schemaVersion else {
            throw .foreign(what: "its database has format \(version), this program knows \(Self.schemaVersion)")
        }
        try database.execute("COMMIT")
        cutLogAtStart()
        pageBytes = try database.int("PRAGMA page_size")
        if let limit {
            let pages = max(1, (limit - log.limit) / pageBytes)
            try database.execute("PRAGMA max_page_count = \(pages)")
        }
    }

    /// `identity` is what tells the model's arithmetic from others'; `out` says whether the session may have moved in
    /// memory without the store's knowing. `digest` is over all other columns but `out`, which has a form of its own.
    private static let schema = """
        PRAGMA application_id = \(applicationID);
        PRAGMA user_version = \(schemaVersion);
        CREATE TABLE sessions (
            serial INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, model TEXT NOT NULL, identity TEXT NOT NULL,
            step INTEGER NOT NULL, version INTEGER NOT NULL, created REAL NOT NULL, used REAL NOT NULL,
            idle REAL NOT NULL, total REAL NOT NULL, recent INTEGER NOT NULL, durability TEXT NOT NULL,
            state_bytes INTEGER NOT NULL, out INTEGER NOT NULL, digest BLOB NOT NULL);
        CREATE TABLE states (serial INTEGER PRIMARY KEY, digest BLOB NOT NULL, state BLOB NOT NULL);
        CREATE TABLE journal (
            row INTEGER PRIMARY KEY, digest BLOB NOT NULL, records BLOB NOT NULL,
            moved_digest BLOB NOT NULL, moved BLOB NOT NULL);
        CREATE TABLE checkpoints (
            serial INTEGER NOT NULL, name TEXT NOT NULL, step INTEGER NOT NULL, created REAL NOT NULL,
            digest BLOB NOT NULL, state_digest BLOB NOT NULL, state BLOB NOT NULL, UNIQUE (serial, name));
        CREATE TABLE replies (
            number INTEGER PRIMARY KEY, serial INTEGER NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL,
            digest BLOB NOT NULL, body BLOB NOT NULL, UNIQUE (serial, key));
        """ + clockTable

    /// One row: see `StoredClock`.
    private static let clockTable = """

        CREATE TABLE clock (
            id INTEGER PRIMARY KEY, shift INTEGER NOT NULL, boot TEXT NOT NULL, offset REAL NOT NULL,
            digest BLOB NOT NULL);
        """

    /// What makes a database of format 2 one of format 3.
    private static let changesSince2 = """
        PRAGMA user_version = \(schemaVersion);
        ALTER TABLE journal ADD COLUMN moved_digest BLOB NOT NULL DEFAULT x'';
        ALTER TABLE journal ADD COLUMN moved BLOB NOT NULL DEFAULT x'';
        """ + clockTable

    /// Does all of `body` or nothing, and has it on the disk when it returns. Where it finds no room, it may be done twice.
    func transaction<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
        do throws(StoreError) {
            return try attempt(body)
        } catch {
            guard error == .full, try cutLogForRoom() else { throw error }
        }
        do throws(StoreError) {
            let result = try attempt(body)
            log.noteUse()
            return result
        } catch {
            if error == .full { log.noteUselessness(length: logLength) }
            throw error
        }
    }

    private func attempt<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
        try requireFiles()
        try database.execute("BEGIN IMMEDIATE")
        do throws(StoreError) {
            let result = try body()
            try database.execute("COMMIT")
            // Before anybody relies on it.
            try requireFiles()
            try settleLog()
            return result
        } catch {
            // Some errors have ended it already.
            try? database.execute("ROLLBACK")
            throw error
        }
    }

    /// SQLite goes on writing to a file that has lost its name, and the next start would find nothing of that. Nor
    /// would it of what is behind a gap: the database never becomes shorter while it is open, and its log does only where
    /// this process cuts it.
    func requireFiles(logMayBeShorter: Bool = false) throws(StoreError) {
        for index in files.indices {
            guard let now = files[index].now(mayBeShorter: logMayBeShorter && index > 0) else {
                let what = "\(files[index].path) was removed, replaced or cut short while the server was using it"
                throw .failed(what: what)
            }
            files[index] = now
        }
    }

    // MARK: The clock

    func write(_ clock: StoredClock) throws(StoreError) {
        try database.run(
            "INSERT OR REPLACE INTO clock VALUES (1, ?, ?, ?, ?)", .int(clock.shift), .text(clock.boot),
            .real(clock.offset), .bytes(Self.digest(of: clock)))
    }

    /// The clock that the database's times are on; nil where the row of it is damaged.
    func clock() throws(StoreError) -> StoredClock? {
        var found: StoredClock? = StoredClock()
        try database.statement("SELECT shift, boot, offset, digest FROM clock").rows([]) { (row) throws(StoreError) in
            let clock = StoredClock(shift: row.int(0), boot: row.text(1), offset: row.real(2))
            found = row.bytes(3) == Self.digest(of: clock) ? clock : nil
        }
        return found
    }

    private static func digest(of clock: StoredClock) -> [UInt8] {
        var digest = RowDigest()
        digest.add(clock.shift)
        digest.add(clock.boot)
        digest.add(clock.offset)
        return digest.bytes()
    }
}

/// The bounds of numbers that the database has. What lies beyond them was not written by this program, and is damage.
enum StoredNumber {
    /// Of serials, versions and rows of the journal: counters that nobody brings so far.
    static let largest = 1 << 53
    /// Seconds since 1970 that a time may have, and seconds that a session may be allowed.
    static let times = -1e11...1e11

    /// A counter from the database; nil for what cannot be one.
    static func counter(_ number: Int) -> UInt64? { (1...largest).contains(number) ? UInt64(number) : nil }
}
