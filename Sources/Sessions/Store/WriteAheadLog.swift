/// How long the write-ahead log of a database may become, and when it is copied into the database's file.
///
/// SQLite writes the log from its beginning again once all of it is in the database's file, so the log's file is as long
/// as the log has ever been, until it is cut. Copying needs room in the database's file, at most as much as the log has: on
/// a disk that is almost full the log therefore stays shorter than half of what is free.
struct WriteAheadLog {
    /// What is to be done with the log between two transactions.
    enum Checkpoint { case copying, cutting }

    /// Bytes that the log has between two transactions at most, however large the disk.
    static let largest = 16 << 20
    /// Bytes by which the log must have grown for another try after one that was no use.
    private static let stride = 64 << 10

    /// Bytes that the log's file has between two transactions at most, where the disk has room.
    let limit: Int
    /// A try that was no use.
    private struct Vain {
        /// Bytes that the log's file then had.
        let length: Int
        /// Bytes that the disk then had free; nil where the disk had room for the copy, or where that is not known.
        let free: Int?
        /// Whether the log could not be copied.
        let isRefused: Bool
    }
    private var vain: Vain?

    /// - Parameter limit: bytes that the database and its log may have together; nil for what the disk has.
    init(limit: Int?) { self.limit = limit.map { min(Self.largest, $0 / 4) } ?? Self.largest }

    /// What is to be done after a transaction.
    /// - Parameters:
    ///   - written: bytes that the log has since it was last begun.
    ///   - length: bytes of its file.
    ///   - free: bytes that the disk has free; nil where that is not known.
    func due(written: Int, length: Int, free: Int?) -> Checkpoint? {
        if let vain, vain.isRefused, !isWorthwhile(after: vain, length: length, free: free) { return nil }
        let most = min(limit, free.map { $0 / 2 } ?? limit)
        if length > most { return .cutting }
        return written > 0 && written >= most - most / 8 ? .copying : nil
    }

    /// Whether cutting the log may give the room that a transaction has not found.
    func mayGiveRoom(length: Int, free: Int?) -> Bool {
        guard length > 0 else { return false }
        return vain.map { isWorthwhile(after: $0, length: length, free: free) } ?? true
    }

    private func isWorthwhile(after vain: Vain, length: Int, free: Int?) -> Bool {
        if let free, let before = vain.free, free > before { return true }
        return length >= vain.length + min(Self.stride, limit / 4)
    }

    /// The log could not be copied.
    mutating func noteRefusal(length: Int, free: Int?) { vain = Vain(length: length, free: free, isRefused: true) }

    /// The log has been copied.
    mutating func noteCopy() { if vain?.isRefused == true { vain = nil } }

    /// A transaction has found room because the log was cut before it.
    mutating func noteUse() { vain = nil }

    /// A transaction has found no room although the log was cut before it.
    mutating func noteUselessness(length: Int) { vain = Vain(length: length, free: nil, isRefused: false) }
}
