import Glibc

/// An operating-system thread that runs one closure. Its handle is a constant that any thread may join: so
/// `@unchecked Sendable`.
@safe public final class Thread: @unchecked Sendable {
    private let handle: pthread_t

    private final class Start {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Starts a thread.
    public init(_ body: @escaping @Sendable () -> Void) {
        let start = unsafe Unmanaged.passRetained(Start(body)).toOpaque()
        var handle = pthread_t()
        let code = unsafe pthread_create(
            &handle, nil,
            { argument in
                unsafe Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, start)
        precondition(code == 0, "pthread_create: \(code)")
        self.handle = handle
    }

    /// Waits until the closure has returned. Call once, on another thread.
    public func join() {
        let code = pthread_join(handle, nil)
        precondition(code == 0, "pthread_join: \(code)")
    }

    /// A number for the calling thread, unique among those running and never 0.
    public static var current: UInt { UInt(pthread_self()) }
}
