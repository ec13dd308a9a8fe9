import EventLoop
import Synchronization

/// What the replies of one loop hold that their readers have not taken yet: bounded in bytes, however many readers
/// there are and however slow they are.
///
/// Beyond the bound the reader that has kept its reply waiting for longest is dropped; one that waits alone never is.
/// Replies of a few kilobytes are not counted: connections bound their number.
///
/// Used on the loop's thread only, but for the counters: so `@unchecked Sendable`.
final class UnsentReplies: @unchecked Sendable {
    /// Bytes that may be held.
    let limit: Int
    private var held = 0
    private var holders: [ObjectIdentifier: Connection] = [:]
    private let counted = Atomic<Int>(0)
    private let dropped = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    /// Bytes held, and readers dropped so far. From any thread.
    var figures: (bytes: Int, dropped: Int) {
        (counted.load(ordering: .relaxed), dropped.load(ordering: .relaxed))
    }

    /// A reply of the connection holds so many bytes, until `release`.
    func hold(_ bytes: Int, _ connection: Connection) {
        connection.heldBytes += bytes
        holders[ObjectIdentifier(connection)] = connection
        change(bytes)
    }

    func release(_ bytes: Int, _ connection: Connection) {
        // Of one that was dropped nothing is counted any more.
        guard holders[ObjectIdentifier(connection)] != nil else { return }
        connection.heldBytes -= bytes
        if connection.heldBytes == 0 { holders[ObjectIdentifier(connection)] = nil }
        change(-bytes)
    }

    /// The connection waits for its reader from now on. It may be dropped, or another may.
    func wait(_ connection: Connection) {
        connection.waitsSince = MonotonicInstant.now
        while held > limit {
            let waiting = holders.values.filter { $0.waitsSince != nil }
            guard waiting.count > 1, let slowest = waiting.min(by: { $0.waitsSince! < $1.waitsSince! }) else { return }
            // What it holds is released when its task comes to know; it counts no more from here on.
            change(-slowest.heldBytes)
            (slowest.heldBytes, slowest.waitsSince) = (0, nil)
            holders[ObjectIdentifier(slowest)] = nil
            dropped.add(1, ordering: .relaxed)
            slowest.abort()
        }
    }

    /// The reader has taken something.
    func proceed(_ connection: Connection) { connection.waitsSince = nil }

    private func change(_ bytes: Int) {
        held += bytes
        counted.store(held, ordering: .relaxed)
    }
}
