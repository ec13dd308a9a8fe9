import DequeModule
import Synchronization
import Threading

/// The tier behind the memory: sessions on disk, in the order in which they moved.
///
/// One thread of its own writes what has gathered since the last time in one transaction, so that many who wait for the
/// disk wait together. Moves by inputs are journaled as the inputs, a few bytes each: replay is exact. Whole states
/// follow when the journal has grown. What the store could not take it says to those who wait, and the table goes back
/// to what the store has.
///
/// Queues are under the lock, the file is the thread's alone: that makes `@unchecked Sendable` true.
public final class SessionStore: @unchecked Sendable {
    public struct Options: Sendable {
        /// How far sessions that do not wait may be behind.
        public var flushInterval = Duration.milliseconds(200)
        /// Bytes of moves that may wait for whole states to be written.
        public var journalLimit = 16 << 20
        /// Bytes of changes that may wait to be written; beyond it durable sessions are refused until the disk has
        /// caught up.
        public var queueLimit = 64 << 20
        /// Bytes that the database and its log may have together; nil for what the disk has.
        public var limit: Int?
        /// The system that SQLite sees; nil for the real one. For tests.
        public var vfs: String?
        /// What names this start of the machine, whose steady clock the table has; empty where that is not known.
        public var boot = ""
        /// Called when the disk begins to fail, and with nil when it takes things again.
        public var report: @Sendable (StoreError?) -> Void = { _ in }
        /// Called with what an operator should know of the database.
        public var notice: @Sendable (String) -> Void = { _ in }

        public init() {}
    }

    struct Queue {
        var changes: [StoreChange] = []
        var requests: [Request] = []
        /// When there is something to do at the latest, in nanoseconds.
        var due: Int64?
        var isUrgent = false
        var mustSpill = false
        /// Whether there may be room for those who wait.
        var mustServe = false
        var isStopping = false
    }

    let options: Options
    let file: StoreFile
    /// Nanoseconds on the machine's monotonic clock.
    let clock: @Sendable () -> Int64
    private let lock = Lock()
    private let condition = Condition()
    private var queue = Queue()
    /// Changes queued so far: the last one's number.
    private var queued: UInt64 = 0
    /// Bytes of the changes that are queued or being written.
    private var bytes = 0
    /// Those up to here have been done, or have failed.
    private var settled: UInt64 = 0
    /// Who waited for those up to here has been told.
    private var told: UInt64 = 0
    private var failures: [(range: ClosedRange<UInt64>, error: StoreError)] = []
    private var waiters = Deque<(commit: UInt64, call: @Sendable (StoreError?) -> Void)>()
    /// Moves that the journal has of sessions that are not in memory. By serial.
    private var pending: [UInt64: [JournalRecord]] = [:]
    private var thread: Thread?
    let identities: Identities
    /// By serial, identities of sessions that fitted no model at the start.
    private var misfits: [UInt64: String] = [:]

    // The thread's own, in the other files of `SessionStore`.
    unowned var table: SessionTable!
    var journal = JournalCover()
    /// By serial: what the store has of sessions that moved on in vain, so that moves from there are known.
    var broken: [UInt64: UInt64] = [:]
    /// Sessions that nobody waits for of which the store has missed moves: they must be written whole.
    var behind: [UInt64: String] = [:]
    /// What nobody waits for and must come to be all the same: sessions that have ended or left the memory.
    var retries: [StoreChange] = []
    /// Requests that wait until there is memory for them, in order.
    var waiting = Deque<Request>()
    /// Grants that have not come back, and whether anybody waits for that.
    let grants = Atomic<Int>(0)
    let hasWaiting = Atomic<Bool>(false)
    var isFailing = false
    /// What has been reported of what is damaged.
    var damages: Set<String> = []
    /// The clock as the database has it.
    var storedClock = StoredClock()
    /// Sessions of which the disk did not take everything at the end.
    private var unsaved = 0

    /// Opens the database in `folder`, which is made if it is not there.
    /// - Parameters:
    ///   - identities: of the models that are served, by id.
    ///   - clock: nanoseconds on the machine's monotonic clock.
    public init(
        folder: String, identities: [String: String], options: Options = Options(),
        clock: @escaping @Sendable () -> Int64
    ) throws(StoreError) {
        (self.options, self.clock, self.identities) = (options, clock, Identities(identities))
        try makeFolder(folder)
        file = try StoreFile(
            path: folder + "/sessions.sqlite", identities: self.identities, limit: options.limit, vfs: options.vfs)
    }

    /// Takes note of the identity of a session that fits no model that is served at the start. Kept until the server
    /// ends: as many as there were then.
    func note(misfit serial: UInt64, identity: String) { lock.withLock { misfits[serial] = identity } }

    /// Why the session fits no model that is served; nil where one fits it.
    public func misfit(_ record: SessionRecord) -> Misfit? {
        let identity = lock.withLock { misfits[record.serial] }
        return identity.flatMap { identities.misfit(record.model, identity: $0) }
    }

    /// Knows more models.
    public func add(identities more: [String: String]) { identities.add(more) }

    /// Reads what sessions there are into the table and begins to write.
    func start(_ table: SessionTable) throws(StoreError) {
        self.table = table
        try load(into: table)
        thread = Thread { [unowned self] in
            while let work = next() { write(work) }
            unsaved = saveAll()
        }
    }

    /// Writes what is queued, and what only the memory has, and ends the thread.
    /// - Returns: of how many sessions the disk did not take everything.
    @discardableResult
    public func stop() -> Int {
        lock.withLock { queue.isStopping = true }
        condition.signal()
        thread?.join()
        thread = nil
        file.close()
        return unsaved
    }

    deinit { precondition(thread == nil, "stop() before the last reference goes") }

    // MARK: From any thread

    /// Queues changes, all of which come to be or none.
    /// - Returns: the commit to wait for.
    func append(_ changes: [StoreChange]) -> UInt64 {
        let isAwaited = changes.contains(where: \.isAwaited)
        let (commit, mustWake) = lock.withLock {
            queue.changes += changes
            queued += UInt64(changes.count)
            bytes += changes.reduce(0) { $0 + $1.bytes }
            let mustWake = isAwaited && !queue.isUrgent || queue.due == nil
            queue.isUrgent = queue.isUrgent || isAwaited
            queue.due = queue.due ?? clock() + Self.nanoseconds(options.flushInterval)
            return (queued, mustWake)
        }
        if mustWake { condition.signal() }
        return commit
    }

    /// Calls `call` when the commit is on disk, or with what went wrong; at once if that is known.
    public func whenDurable(_ commit: UInt64, _ call: @escaping @Sendable (StoreError?) -> Void) {
        let isKnown = lock.withLock {
            if commit <= told { return true }
            waiters.append((commit, call))
            return false
        }
        if isKnown { call(error(of: commit)) }
    }

    /// Waits until the commit is on disk.
    public func durable(_ commit: UInt64) async throws(StoreError) {
        guard commit > 0 else { return }
        let error = await withCheckedContinuation { continuation in
            whenDurable(commit) { continuation.resume(returning: $0) }
        }
        if let error { throw error }
    }

    /// Bytes of changes that wait to be written or are being written.
    var queuedBytes: Int { lock.withLock { bytes } }

    /// Refuses what would be queued while too much is queued already.
    func requireRoom() throws(SessionError) {
        guard queuedBytes > options.queueLimit else { return }
        throw .store(.behind(limit: options.queueLimit))
    }

    private func error(of commit: UInt64) -> StoreError? {
        lock.withLock { failures.last { $0.range.contains(commit) }?.error }
    }

    /// Asks for memory, or for something of a session that is on disk; `then` is called by the store's thread.
    func ask(
        _ needs: Needs, of session: SessionKey?,
        then: @escaping @Sendable (Result<Grant, SessionError>) -> Void
    ) {
        request { $0.requests.append(Request(needs: needs, session: session, then: then)) }
    }

    /// Counts a grant. The session that it is for does not leave the memory until it comes back.
    func noteGrant(_ session: SessionKey?) {
        if let session { table.pin(session, 1) }
        grants.add(1, ordering: .sequentiallyConsistent)
    }

    /// A grant has come back, with its memory: there may be room for those who wait.
    func noteGivenBack(_ session: SessionKey?) {
        if let session { table.pin(session, -1) }
        grants.subtract(1, ordering: .sequentiallyConsistent)
        if hasWaiting.load(ordering: .sequentiallyConsistent) { request { $0.mustServe = true } }
    }

    /// Whether changes wait to be written.
    var hasChanges: Bool { lock.withLock { !queue.changes.isEmpty } }

    /// Has what waits to be written, written at once.
    func hurry() { lock.withLock { if !queue.changes.isEmpty { queue.isUrgent = true } } }

    /// Has the coldest sessions moved to disk if there is little room left.
    func spill() {
        let mustWake = lock.withLock {
            defer { queue.mustSpill = true }
            return !queue.mustSpill
        }
        if mustWake { condition.signal() }
    }

    private func request(_ body: (inout Queue) -> Void) {
        lock.withLock { body(&queue) }
        condition.signal()
    }

    /// The moves that lead on from what the store has of a session that is not in memory.
    func pendingMoves(_ serial: UInt64) -> [JournalRecord] { lock.withLock { pending[serial] ?? [] } }

    func setPending(_ serial: UInt64, _ moves: [JournalRecord]?) { lock.withLock { pending[serial] = moves } }

    // MARK: The thread

    /// What there is to do, as soon as it is time; nil when there will be nothing any more.
    private func next() -> Queue? {
        lock.withLock {
            while true {
                let isDue = queue.due.map { clock() >= $0 } ?? false
                if queue.isUrgent || isDue || queue.isStopping || queue.mustSpill || queue.mustServe
                    || !queue.requests.isEmpty
                {
                    if queue.isStopping, queue.changes.isEmpty, queue.requests.isEmpty, waiting.isEmpty {
                        return nil
                    }
                    defer { queue = Queue(isStopping: queue.isStopping) }
                    return queue
                }
                if let due = queue.due {
                    _ = condition.wait(lock, untilMonotonic: due)
                } else {
                    condition.wait(lock)
                }
            }
        }
    }

    /// The numbers of the changes that are to be written next.
    func commits(_ count: Int) -> ClosedRange<UInt64>? {
        count == 0 ? nil : lock.withLock { settled + 1...settled + UInt64(count) }
    }

    /// The last commit that is on disk, or has failed.
    var lastSettled: UInt64 { lock.withLock { settled } }

    /// Tells those who wait what has become of these commits: an error of all of them, or of some.
    /// - Parameter written: bytes of the changes.
    func settle(
        _ commits: ClosedRange<UInt64>?, _ written: Int, _ error: StoreError?,
        failed: [(commit: UInt64, error: StoreError)] = []
    ) {
        guard let commits else { return }
        lock.withLock {
            settled = commits.upperBound
            bytes -= written
            if let error { failures.append((commits, error)) }
            for (commit, error) in failed { failures.append((commit...commit, error)) }
            if failures.count > 10_000 { failures.removeFirst(failures.count - 10_000) }
        }
        // Who asks while others are being told is told behind them: what waits for one commit keeps its order.
        while true {
            let calls: [(call: @Sendable (StoreError?) -> Void, error: StoreError?)] = lock.withLock {
                var calls: [(call: @Sendable (StoreError?) -> Void, error: StoreError?)] = []
                waiters.removeAll { waiter in
                    guard waiter.commit <= settled else { return false }
                    calls.append((waiter.call, failures.last { $0.range.contains(waiter.commit) }?.error))
                    return true
                }
                if calls.isEmpty { told = settled }
                return calls
            }
            if calls.isEmpty { return }
            for (call, error) in calls { call(error) }
        }
    }

    /// What is queued after the last turn.
    func takeRest() -> [StoreChange]? {
        lock.withLock {
            defer { queue.changes = [] }
            return queue.changes.isEmpty ? nil : queue.changes
        }
    }

    /// Has the next turn come in so long at the latest, even if nothing is queued.
    func tryAgain(in interval: Duration) {
        lock.withLock { queue.due = min(queue.due ?? .max, clock() + Self.nanoseconds(interval)) }
    }

    private static func nanoseconds(_ duration: Duration) -> Int64 { Int64(duration / .nanoseconds(1)) }
}
