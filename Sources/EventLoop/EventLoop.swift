import Synchronization
import Threading

/// A thread that runs tasks and waits for sockets and deadlines: a task executor whose idle state is `epoll_wait`.
///
/// A task made with `Task(executorPreference: loop)` runs on the loop's thread, and a read or write that must wait
/// suspends only that task. Jobs run in the order of their arrival; a job from another thread wakes the loop, a job
/// from its own thread costs no system call.
///
/// `@unchecked Sendable`: the members `enqueue`, `run`, `isCurrent`, `start` and `shutdown` may be called from any
/// thread and touch only the inbox (under its lock), atomics and constants; all other state is touched by the loop's
/// own thread only, which the members that use it check.
public final class EventLoop: TaskExecutor, @unchecked Sendable {
    private enum Work {
        case job(UnownedJob)
        case call(@Sendable () -> Void)
    }

    // Shared, under `lock`.
    private let lock = Lock()
    private var inbox: [Work] = []
    private var isAsleep = false
    private var thread: Thread?

    // Shared, atomic or constant.
    private let threadNumber = Atomic<UInt>(0)
    private let isStopping = Atomic<Bool>(false)
    private let poller: Int32
    private let waker: Int32
    private static let wakerToken = UInt64.max
    /// Sends at once: peers then have something to do while the loop goes on.
    private static let burst = 16

    private let turns = Atomic<Int>(0)
    private let busyNanoseconds = Atomic<Int64>(0)
    private let longestTurn = Atomic<Int64>(0)

    // The loop's own.
    private var ready: [Work] = []
    private var running: [Work] = []
    private var afterthoughts: [Afterthought] = []
    private var senders: [Registration] = []
    private var timers = TimerHeap()
    private var registrations: [Registration?] = []
    private var lastNumber: UInt32 = 0
    private let events = EventBuffer()
    let scratch = ScratchBuffer()

    /// The time at which the loop last woke: a cheap base for deadlines. The loop's own.
    public private(set) var now = MonotonicInstant.now

    /// A loop at rest; `start()` sets it going.
    /// - Throws: when the process has no descriptors left.
    public init() throws(SystemError) {
        poller = try Syscall.makePoller()
        do throws(SystemError) {
            waker = try Syscall.makeWaker()
        } catch {
            Syscall.close(poller)
            throw error
        }
        try Syscall.watchWaker(poller, waker, token: Self.wakerToken)
    }

    deinit {
        Syscall.close(waker)
        Syscall.close(poller)
    }

    /// Starts the loop's thread, which keeps the loop alive until `shutdown()`.
    public func start() {
        lock.withLock {
            precondition(thread == nil, "a loop is started once")
            thread = Thread { [self] in turn() }
        }
    }

    /// Closes every socket of the loop, lets the tasks that this wakes run on until they wait for something else, and
    /// joins the thread. Jobs that arrive later never run. Not to be called on the loop itself.
    public func shutdown() {
        precondition(!isCurrent, "a loop cannot join itself")
        isStopping.store(true, ordering: .sequentiallyConsistent)
        Syscall.wake(waker)
        let thread = lock.withLock { self.thread.take() }
        thread?.join()
    }

    /// The loop on whose thread the caller runs.
    static var current: EventLoop? { CurrentLoop.get() }

    /// Whether the caller runs on the loop's thread.
    public var isCurrent: Bool { threadNumber.load(ordering: .relaxed) == Thread.current }

    // MARK: Work

    public func enqueue(_ job: consuming ExecutorJob) {
        add(.job(UnownedJob(job)))
    }

    /// Has the loop call `action` soon, after the work it already has from this thread.
    public func run(_ action: @escaping @Sendable () -> Void) {
        add(.call(action))
    }

    private func add(_ work: Work) {
        if isCurrent {
            ready.append(work)
            return
        }
        let mustWake = lock.withLock {
            inbox.append(work)
            defer { isAsleep = false }
            return isAsleep
        }
        if mustWake { Syscall.wake(waker) }
    }

    func add(_ afterthought: Afterthought) {
        if !afterthoughts.contains(where: { $0 === afterthought }) { afterthoughts.append(afterthought) }
    }

    private func performAfterthoughts() {
        for afterthought in afterthoughts { afterthought.perform() }
        afterthoughts.removeAll(keepingCapacity: true)
    }

    /// Has the registration send what it has, together with others.
    func addSender(_ registration: Registration) {
        registration.isSender = true
        senders.append(registration)
        if senders.count >= Self.burst { send() }
    }

    private func send() {
        for registration in senders {
            registration.isSender = false
            registration.sendUnsent()
        }
        senders.removeAll(keepingCapacity: true)
    }

    // MARK: Deadlines

    /// Has the loop call `action` once `delay` has passed since `now`; to the millisecond. On the loop only.
    public func schedule(after delay: Duration, _ action: @escaping () -> Void) -> Timer {
        schedule(at: now + delay, action)
    }

    /// Has the loop call `action` once `deadline` has passed; to the millisecond. On the loop only.
    public func schedule(at deadline: MonotonicInstant, _ action: @escaping () -> Void) -> Timer {
        preconditionCurrent()
        let timer = Timer(deadline: deadline, action: action)
        timers.insert(timer)
        return timer
    }

    /// Forgets a timer; one that has fired stays fired. On the loop only.
    public func cancel(_ timer: Timer) {
        preconditionCurrent()
        timers.remove(timer)
    }

    /// Suspends a task of this loop for `duration`; ends early when the loop shuts down.
    public func sleep(for duration: Duration) async {
        await withCheckedContinuation { continuation in
            _ = schedule(after: duration) { continuation.resume() }
        }
    }

    // MARK: Descriptors

    /// Stops the program unless the caller runs on the loop's thread.
    public func preconditionCurrent() {
        precondition(isCurrent, "called on another thread than the loop's")
    }

    /// Begins to watch a descriptor, edge-triggered, in both directions, until its `close()`.
    func register(_ registration: Registration) throws(SystemError) {
        preconditionCurrent()
        lastNumber = lastNumber == .max - 1 ? 1 : lastNumber + 1
        registration.number = lastNumber
        do throws(SystemError) {
            try Syscall.watch(poller, registration.descriptor, token: registration.token)
        } catch {
            registration.number = 0
            throw error
        }
        let index = Int(registration.descriptor)
        while registrations.count <= index { registrations.append(nil) }
        registrations[index] = registration
    }

    func forget(_ registration: Registration) {
        guard registration.number != 0 else { return }
        preconditionCurrent()
        registrations[Int(registration.descriptor)] = nil
    }

    /// An event whose number is not the descriptor's current one is about an earlier use of it, closed since the kernel
    /// gathered the batch.
    func deliver(_ readiness: Readiness) {
        let index = Int(truncatingIfNeeded: readiness.token & 0xffff_ffff)
        guard index < registrations.count, let registration = registrations[index],
            registration.token == readiness.token
        else { return }
        registration.deliver(readiness)
    }

    // MARK: The thread

    /// What a loop has done so far.
    public struct Statistics: Sendable {
        /// Times that it went round.
        public var turns: Int
        /// Time that it did not wait.
        public var busy: Duration
        /// The longest that it went without looking for what had arrived, since this was last asked.
        public var longestTurn: Duration
    }

    public var statistics: Statistics {
        Statistics(
            turns: turns.load(ordering: .relaxed),
            busy: .nanoseconds(busyNanoseconds.load(ordering: .relaxed)),
            longestTurn: .nanoseconds(longestTurn.exchange(0, ordering: .relaxed)))
    }

    private func note(turn nanoseconds: Int64) {
        turns.store(turns.load(ordering: .relaxed) + 1, ordering: .relaxed)
        busyNanoseconds.store(busyNanoseconds.load(ordering: .relaxed) + nanoseconds, ordering: .relaxed)
        if nanoseconds > longestTurn.load(ordering: .relaxed) { longestTurn.store(nanoseconds, ordering: .relaxed) }
    }

    private func turn() {
        threadNumber.store(Thread.current, ordering: .relaxed)
        CurrentLoop.set(self)
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            poll()
            fireTimers(until: now)
            runReady(rounds: 16)
            send()
            performAfterthoughts()
            note(turn: MonotonicInstant.now.nanoseconds - now.nanoseconds)
        }
        for registration in registrations { registration?.close() }
        fireTimers(until: .never)
        repeat {
            runReady(rounds: 16)
            performAfterthoughts()
        } while !ready.isEmpty
        threadNumber.store(0, ordering: .relaxed)
        CurrentLoop.set(nil)
    }

    private func poll() {
        let count = Syscall.wait(poller, into: events, milliseconds: patience())
        now = .now
        for index in 0..<count where events[index].token != Self.wakerToken { deliver(events[index]) }
    }

    /// How long the loop may wait, in milliseconds, rounded up; a loop that may wait must be woken from then on.
    private func patience() -> Int32 {
        if !ready.isEmpty { return 0 }
        let mayWait = lock.withLock {
            isAsleep = inbox.isEmpty
            return isAsleep
        }
        guard mayWait else { return 0 }
        guard let earliest = timers.earliest, earliest != .never else { return -1 }
        let nanoseconds = max(0, earliest.nanoseconds - MonotonicInstant.now.nanoseconds)
        return Int32(clamping: (nanoseconds + 999_999) / 1_000_000)
    }

    private func fireTimers(until instant: MonotonicInstant) {
        while let timer = timers.popDue(instant) { timer.action() }
    }

    /// Runs what is ready, and what that makes ready, for so many rounds: tasks that hand over to one another need no
    /// system call in between, and cannot keep sockets waiting for ever.
    private func runReady(rounds: Int) {
        lock.withLock {
            isAsleep = false
            ready.append(contentsOf: inbox)
            inbox.removeAll(keepingCapacity: true)
        }
        for _ in 0..<rounds {
            if ready.isEmpty { return }
            swap(&ready, &running)
            for work in running {
                switch work {
                case .job(let job): unsafe job.runSynchronously(on: asUnownedTaskExecutor())
                case .call(let action): action()
                }
            }
            running.removeAll(keepingCapacity: true)
        }
    }
}
