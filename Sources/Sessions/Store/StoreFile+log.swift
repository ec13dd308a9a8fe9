/// The write-ahead log between transactions.
extension StoreFile {
    /// Copies the log into the database's file where it has become long, or cuts it. What the disk does not take now stays
    /// in the log: the transaction before is on disk in any case.
    func settleLog() throws(StoreError) {
        let (length, free) = (logLength, freeBytes)
        guard let checkpoint = log.due(written: writtenLog, length: length, free: free) else { return }
        try copyLog(checkpoint, length, free)
    }

    /// Cuts the log for a transaction that has found no room. False where that is no use.
    func cutLogForRoom() throws(StoreError) -> Bool {
        let (length, free) = (logLength, freeBytes)
        guard log.mayGiveRoom(length: length, free: free) else { return false }
        try requireFiles()
        return try copyLog(.cutting, length, free)
    }

    /// Cuts the log that another process has left, as far as the disk allows it.
    func cutLogAtStart() { _ = try? database.checkpoint(cutting: true) }

    /// - Returns: whether the disk has taken all of it.
    @discardableResult
    private func copyLog(
        _ checkpoint: WriteAheadLog.Checkpoint, _ length: Int, _ free: Int?
    ) throws(StoreError) -> Bool {
        let isDone = (try? database.checkpoint(cutting: checkpoint == .cutting)) ?? false
        logCopies += 1
        if isDone { log.noteCopy() } else { log.noteRefusal(length: length, free: free) }
        // The log is shorter by what was done here; what another has done to it before has been noticed.
        try requireFiles(logMayBeShorter: checkpoint == .cutting)
        return isDone
    }

    /// Bytes of the log's file.
    var logLength: Int { FileMark(path + "-wal")?.bytes ?? 0 }

    /// Bytes that the disk has free; nil where the system that SQLite sees is another.
    private var freeBytes: Int? { isSystems ? Sessions.freeBytes(at: path) : nil }

    /// Bytes that the log has since it was last begun: its head, and its pages with the heads of each.
    private var writtenLog: Int {
        database.pagesInLog == 0 ? 0 : 32 + database.pagesInLog * (pageBytes + 24)
    }
}
