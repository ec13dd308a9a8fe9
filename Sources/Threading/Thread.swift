import Glibc

/// An operating-system thread that runs one closure, to be joined. Its handle is a constant that any thread may join: so
/// `@unchecked Sendable`.
@safe public final class Thread: @unchecked Sendable {
    private let handle: pthread_t

    private final class Start {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Starts a thread. Its stack stays until `join`: one that nobody joins is started by `detach`.
    public init(_ body: @escaping @Sendable () -> Void) {
        var handle = pthread_t()
        let code = Self.start(body, &handle)
        precondition(code == 0, "pthread_create: \(code)")
        self.handle = handle
    }

    /// Starts a thread that nobody joins: the system takes its stack back when the closure has returned.
    /// - Returns: false when the system has no thread to spare; the closure is then dropped.
    public static func detach(_ body: @escaping @Sendable () -> Void) -> Bool {
        var handle = pthread_t()
        guard start(body, &handle) == 0 else { return false }
        pthread_detach(handle)
        return true
    }

    /// - Returns: 0, or why no thread could be started.
    private static func start(_ body: @escaping @Sendable () -> Void, _ handle: inout pthread_t) -> Int32 {
        let start = unsafe Unmanaged.passRetained(Start(body))
        let code = unsafe pthread_create(
            &handle, nil,
            { argument in
                unsafe Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, start.toOpaque())
        if code != 0 { unsafe start.release() }
        return code
    }

    /// Waits until the closure has returned. Call once, on another thread.
    public func join() {
        let code = pthread_join(handle, nil)
        precondition(code == 0, "pthread_join: \(code)")
    }

    /// A number for the calling thread, unique among those running and never 0.
    public static var current: UInt { UInt(pthread_self()) }
}
