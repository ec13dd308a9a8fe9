import Glibc

/// A mutual exclusion lock over `pthread_mutex_t`, which the thread sanitizer understands.
///
/// Never hold one across an `await`. The mutex lives at a fixed address for the lock's lifetime: that, and pthread's
/// own rules, make `@unchecked Sendable` true.
@safe public final class Lock: @unchecked Sendable {
    let mutex: UnsafeMutablePointer<pthread_mutex_t>

    public init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        let code = unsafe pthread_mutex_init(mutex, nil)
        precondition(code == 0, "pthread_mutex_init: \(code)")
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Runs `body` with the lock held.
    @inline(__always)
    public func withLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body()
    }
}

/// A condition of state that a `Lock` guards: wait for it inside `withLock`.
///
/// It lives at a fixed address for its lifetime, and pthread lets any thread use it: so `@unchecked Sendable`.
@safe public final class Condition: @unchecked Sendable {
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    public init() {
        unsafe condition = .allocate(capacity: 1)
        unsafe condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        let code = unsafe pthread_cond_init(condition, &attributes)
        precondition(code == 0, "pthread_cond_init: \(code)")
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe condition.deallocate()
    }

    /// Gives `lock` up, which the caller holds, until signalled, and takes it again. May return early: check and
    /// repeat.
    public func wait(_ lock: Lock) { unsafe _ = pthread_cond_wait(condition, lock.mutex) }

    /// As `wait`, but false when the monotonic clock has passed `nanoseconds`.
    public func wait(_ lock: Lock, untilMonotonic nanoseconds: Int64) -> Bool {
        var time = timespec()
        time.tv_sec = Int(nanoseconds / 1_000_000_000)
        time.tv_nsec = Int(nanoseconds % 1_000_000_000)
        return unsafe pthread_cond_timedwait(condition, lock.mutex, &time) != ETIMEDOUT
    }

    /// Wakes all waiters.
    public func broadcast() { unsafe _ = pthread_cond_broadcast(condition) }

    /// Wakes one waiter.
    public func signal() { unsafe _ = pthread_cond_signal(condition) }
}
