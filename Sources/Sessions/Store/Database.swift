import CSQLite

/// A value of a column.
enum SQLValue {
    case int(Int)
    case real(Double)
    case text(String)
    case bytes([UInt8])
}

/// A connection to an SQLite database. One thread at a time.
@safe final class Database {
    private let handle: OpaquePointer
    private var statements: [String: Statement] = [:]
    private let logPages: UnsafeMutablePointer<CInt>

    /// Opens the file at `path`, which is made if it is not there.
    /// - Parameter vfs: the system that SQLite sees; nil for the real one.
    init(path: String, vfs: String? = nil) throws(StoreError) {
        var handle: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        let code = unsafe sqlite3_open_v2(path, &handle, flags, vfs)
        guard let opened = unsafe handle else { throw .failed(what: "out of memory") }
        unsafe self.handle = opened
        unsafe logPages = .allocate(capacity: 1)
        unsafe logPages.initialize(to: 0)
        guard code == SQLITE_OK else {
            let error = unsafe Self.error(code, opened)
            unsafe sqlite3_close_v2(opened)
            throw error
        }
        unsafe sqlite3_extended_result_codes(opened, 1)
        unsafe csqlite_count_log(opened, logPages)
    }

    deinit { unsafe logPages.deallocate() }

    /// Ends the connection; no statement may be used any more.
    func close() {
        statements.removeAll()
        unsafe sqlite3_close_v2(handle)
    }

    /// Runs statements that take and give no values.
    func execute(_ sql: String) throws(StoreError) {
        let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw unsafe Self.error(code, handle) }
    }

    /// The statement, ready for its values; made once.
    func statement(_ sql: String) throws(StoreError) -> Statement {
        if let known = statements[sql] { return known }
        var pointer: OpaquePointer?
        let code = unsafe sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
        guard code == SQLITE_OK, let made = unsafe pointer else { throw unsafe Self.error(code, handle) }
        let statement = unsafe Statement(made, of: handle)
        statements[sql] = statement
        return statement
    }

    /// Runs a statement that gives no rows.
    func run(_ sql: String, _ values: SQLValue...) throws(StoreError) {
        try statement(sql).rows(values) { (_) throws(StoreError) in }
    }

    /// The first column of the only row.
    func int(_ sql: String) throws(StoreError) -> Int {
        var value = 0
        try statement(sql).rows([]) { (row) throws(StoreError) in value = row.int(0) }
        return value
    }

    // MARK: The write-ahead log

    /// Pages that the log has had since it was last copied.
    var pagesInLog: Int { Int(unsafe logPages.pointee) }

    /// Copies the log into the database's file, so that it is written from its beginning again.
    /// - Parameter cutting: whether the log's file is emptied, too.
    /// - Returns: whether all of it was copied.
    func checkpoint(cutting: Bool) throws(StoreError) -> Bool {
        var (pages, copied): (CInt, CInt) = (0, 0)
        let mode = cutting ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE
        let code = unsafe sqlite3_wal_checkpoint_v2(handle, nil, mode, &pages, &copied)
        guard code == SQLITE_OK else { throw unsafe Self.error(code, handle) }
        guard copied == pages else { return false }
        unsafe logPages.pointee = 0
        return true
    }

    fileprivate static func error(_ code: Int32, _ handle: OpaquePointer) -> StoreError {
        let message = unsafe String(cString: sqlite3_errmsg(handle))
        switch code & 0xFF {
        case SQLITE_FULL: return .full
        case SQLITE_BUSY, SQLITE_LOCKED: return .inUse
        case SQLITE_CORRUPT, SQLITE_NOTADB: return .damaged(what: message)
        default: return .failed(what: "\(message) (SQLite's code \(code))")
        }
    }
}

/// A prepared statement, and the row at which it stands. It goes with its database.
@safe final class Statement {
    private let pointer: OpaquePointer
    private let database: OpaquePointer

    fileprivate init(_ pointer: OpaquePointer, of database: OpaquePointer) {
        unsafe (self.pointer, self.database) = (pointer, database)
    }

    deinit { unsafe sqlite3_finalize(pointer) }

    /// Runs it with these values and calls `body` for each row.
    func rows(_ values: [SQLValue], _ body: (Statement) throws(StoreError) -> Void) throws(StoreError) {
        try bind(values[...], at: 1) { () throws(StoreError) in
            defer { unsafe sqlite3_reset(pointer) }
            while true {
                let code = unsafe sqlite3_step(pointer)
                if code == SQLITE_DONE { return }
                guard code == SQLITE_ROW else { throw unsafe Database.error(code, database) }
                try body(self)
            }
        }
    }

    /// Binds one value after the other, so that bytes stay where they are until `body` has run.
    private func bind(
        _ values: ArraySlice<SQLValue>, at index: Int32, _ body: () throws(StoreError) -> Void
    ) throws(StoreError) {
        guard let value = values.first else { return try body() }
        let rest = values.dropFirst()
        let code: Int32
        switch value {
        case .int(let number): code = unsafe sqlite3_bind_int64(pointer, index, Int64(number))
        case .real(let number): code = unsafe sqlite3_bind_double(pointer, index, number)
        case .text(let text): code = unsafe csqlite_bind_text(pointer, index, text, Int32(text.utf8.count))
        case .bytes(let bytes):
            var result: Result<Void, StoreError> = .success(())
            unsafe bytes.withUnsafeBytes { buffer in
                result = Result { () throws(StoreError) in
                    let code = unsafe csqlite_bind_bytes(pointer, index, buffer.baseAddress, UInt64(buffer.count))
                    guard code == SQLITE_OK else { throw unsafe Database.error(code, database) }
                    try bind(rest, at: index + 1, body)
                }
            }
            return try result.get()
        }
        guard code == SQLITE_OK else { throw unsafe Database.error(code, database) }
        try bind(rest, at: index + 1, body)
    }

    // MARK: The row at which it stands

    func int(_ column: Int32) -> Int { Int(unsafe sqlite3_column_int64(pointer, column)) }
    func real(_ column: Int32) -> Double { unsafe sqlite3_column_double(pointer, column) }
    func text(_ column: Int32) -> String { String(decoding: bytes(column), as: UTF8.self) }

    func bytes(_ column: Int32) -> [UInt8] {
        guard let start = unsafe sqlite3_column_blob(pointer, column) else { return [] }
        let count = Int(unsafe sqlite3_column_bytes(pointer, column))
        return unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    }
}
