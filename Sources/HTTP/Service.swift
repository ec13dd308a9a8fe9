import EventLoop
import Synchronization

/// What all connections of a server share: constants and counters.
final class Service: Sendable {
    let router: Router
    let limits: HTTPLimits
    let respondToError: ErrorResponder
    let observer: HTTPObserver
    /// Opens when the server is draining and the last connection has ended.
    let allClosed = Latch()
    private let draining = Atomic<Bool>(false)
    private let open = Atomic<Int>(0)

    init(router: Router, limits: HTTPLimits, errorResponder: @escaping ErrorResponder, observer: HTTPObserver) {
        self.router = router
        self.limits = limits
        respondToError = errorResponder
        self.observer = observer
    }

    var isDraining: Bool { draining.load(ordering: .sequentiallyConsistent) }

    /// Counts a connection; false when that makes one too many.
    func opened() -> Bool {
        open.add(1, ordering: .sequentiallyConsistent).newValue <= limits.connections
    }

    func closed() {
        if open.subtract(1, ordering: .sequentiallyConsistent).newValue == 0, isDraining { allClosed.open() }
    }

    /// True for the first caller.
    func startDraining() -> Bool {
        !draining.exchange(true, ordering: .sequentiallyConsistent)
    }

    func checkAllClosed() {
        if open.load(ordering: .sequentiallyConsistent) == 0 { allClosed.open() }
    }
}

/// Hooks for logs and metrics; called on the connections' loops, so they must be quick and must not block.
public struct HTTPObserver: Sendable {
    /// A handler threw something other than an `HTTPError`; the client is told 500.
    public var failed: (@Sendable (any Error, ErrorContext) -> Void)?
    /// A reply is complete or was cut off: the request's head (nil if unreadable), the status, the time since the head
    /// was complete.
    public var replied: (@Sendable (RequestHead?, HTTPStatus, Duration) -> Void)?

    public init(
        failed: (@Sendable (any Error, ErrorContext) -> Void)? = nil,
        replied: (@Sendable (RequestHead?, HTTPStatus, Duration) -> Void)? = nil
    ) {
        self.failed = failed
        self.replied = replied
    }
}

/// One loop's connections and what they share there.
///
/// `@unchecked Sendable`: used on its loop's thread only.
final class Shard: @unchecked Sendable {
    let loop: EventLoop
    var encoder = ResponseEncoder()
    private var connections: [ObjectIdentifier: Connection] = [:]
    private var identifiers = UInt64.random(in: .min ... .max)

    init(_ loop: EventLoop) {
        self.loop = loop
    }

    /// The next request id: an odd step visits all 64-bit numbers, and the mixing makes neighbours look unlike.
    func nextIdentifier() -> UInt64 {
        identifiers &+= 0x9e37_79b9_7f4a_7c15
        var mixed = identifiers
        mixed = (mixed ^ mixed >> 32) &* 0xd6e8_feb8_6659_fd93
        return mixed ^ mixed >> 32
    }

    /// Starts the task of a connection that was accepted for this loop.
    func open(_ socket: Socket, _ service: Service) {
        let connection = Connection(socket, service: service, shard: self)
        connections[ObjectIdentifier(connection)] = connection
        connection.task = Task(executorPreference: loop) {
            await connection.serve()
            self.connections[ObjectIdentifier(connection)] = nil
            service.closed()
        }
    }

    func drain() {
        for connection in connections.values { connection.drain() }
    }

    func abort() {
        for connection in connections.values { connection.abort() }
    }
}
