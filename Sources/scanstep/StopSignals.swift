import Glibc

/// SIGTERM and SIGINT, taken by waiting for them instead of by a handler.
@safe struct StopSignals {
    private var set = sigset_t()

    /// Blocks the signals in this thread and those it starts, and ignores SIGPIPE and SIGXFSZ. Call before any thread is
    /// started.
    static func block() -> StopSignals {
        var signals = StopSignals()
        unsafe sigemptyset(&signals.set)
        unsafe sigaddset(&signals.set, SIGTERM)
        unsafe sigaddset(&signals.set, SIGINT)
        unsafe pthread_sigmask(SIG_BLOCK, &signals.set, nil)
        signal(SIGPIPE, SIG_IGN)
        // A file that may not grow is an error of the write.
        signal(SIGXFSZ, SIG_IGN)
        return signals
    }

    /// Waits for one of them and gives its name. A second one ends the process at once.
    func wait() -> String {
        var set = set
        var number: Int32 = 0
        unsafe sigwait(&set, &number)
        signal(number, SIG_DFL)
        unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
        return number == SIGTERM ? "SIGTERM" : "SIGINT"
    }
}
