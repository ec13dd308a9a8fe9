import Glibc
import Threading

/// SIGTERM, SIGINT and SIGHUP, taken by a thread that waits for them instead of by a handler.
///
/// What the thread and the program share is under the lock: so `@unchecked Sendable`.
@safe final class Signals: @unchecked Sendable {
    enum Signal: Equatable {
        /// To end, for the signal of that name.
        case stop(String)
        /// To read files again.
        case reload
    }

    private let lock = Lock()
    private let condition = Condition()
    private var waiting: [Signal] = []
    private var isListening = false

    /// Blocks the signals in this thread and those it starts, ignores SIGPIPE and SIGXFSZ, and begins to wait. Until
    /// `queue` is called a signal to end does so at once. Call before any thread is started.
    init() {
        var all = Self.set(of: Self.stops + [SIGHUP])
        unsafe pthread_sigmask(SIG_BLOCK, &all, nil)
        signal(SIGPIPE, SIG_IGN)
        // A file that may not grow is an error of the write.
        signal(SIGXFSZ, SIG_IGN)
        guard Thread.detach({ [self] in take() }) else { fatalError("no thread can be started to wait for signals") }
    }

    /// From here on signals wait for `next`.
    func queue() { lock.withLock { isListening = true } }

    /// Waits for the next.
    func next() -> Signal {
        lock.withLock {
            while waiting.isEmpty { condition.wait(lock) }
            return waiting.removeFirst()
        }
    }

    private static let stops = [SIGTERM, SIGINT]

    private static func set(of signals: [Int32]) -> sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in signals { unsafe sigaddset(&set, number) }
        return set
    }

    private func take() {
        var awaited = Self.set(of: Self.stops + [SIGHUP])
        while true {
            var number: Int32 = 0
            unsafe sigwait(&awaited, &number)
            let isStop = number != SIGHUP
            let isListening = lock.withLock {
                waiting.append(isStop ? .stop(number == SIGTERM ? "SIGTERM" : "SIGINT") : .reload)
                condition.signal()
                return self.isListening
            }
            guard isStop else { continue }
            if !isListening { exit(0) }
            // A second one ends the process at once.
            awaited = Self.set(of: [SIGHUP])
            var stops = Self.set(of: Self.stops)
            for number in Self.stops { signal(number, SIG_DFL) }
            unsafe pthread_sigmask(SIG_UNBLOCK, &stops, nil)
        }
    }
}
