import EventLoop

/// An HTTP/1.1 server (RFC 9110, RFC 9112): loops, a listening socket, and the connections that it accepts.
///
/// `@unchecked Sendable`: `listener` is written by `start` and read by `drain`, which follow one another; all other
/// members are constants that are themselves safe to share.
public final class HTTPServer: @unchecked Sendable {
    private let host: String
    private let port: Int
    private let service: Service
    private let shards: [Shard]
    private let ended = Latch()
    private var listener: Listener?

    /// A server at rest.
    /// - Parameters:
    ///   - host: an IPv4 or IPv6 literal, or a name.
    ///   - port: 0 takes a free one.
    ///   - loops: how many threads serve connections; accepted ones go to them in turn.
    ///   - errorResponder: renders 4xx and 5xx replies.
    /// - Throws: when the process has no descriptors left.
    public init(
        host: String = "127.0.0.1", port: Int = 0, loops: Int = 1, limits: HTTPLimits = HTTPLimits(), router: Router,
        observer: HTTPObserver = HTTPObserver(), errorResponder: @escaping ErrorResponder = HTTPServer.plainErrors
    ) throws(SystemError) {
        precondition(loops > 0, "\(loops) loops can serve no one")
        self.host = host
        self.port = port
        service = Service(router: router, limits: limits, errorResponder: errorResponder, observer: observer)
        var shards: [Shard] = []
        for _ in 0..<loops { shards.append(Shard(try EventLoop())) }
        self.shards = shards
    }

    /// Renders an error as its slug and detail in plain text.
    public static let plainErrors: ErrorResponder = { error, _ in
        Response(error.status, text: "\(error.slug): \(error.detail)\n")
    }

    /// Whether `drain` has begun.
    public var isDraining: Bool { service.isDraining }

    /// Listens, and starts the loops.
    /// - Returns: the port.
    /// - Throws: when the host is unknown or the address is taken or not ours.
    public func start() throws(SystemError) -> Int {
        precondition(listener == nil, "a server is started once")
        let listener = try Listener.bind(host: host, port: port, on: shards[0].loop)
        self.listener = listener
        for shard in shards { shard.loop.start() }
        Task(executorPreference: shards[0].loop) { [service, shards] in
            await Self.accept(listener, service, shards)
        }
        return listener.port
    }

    private static func accept(_ listener: Listener, _ service: Service, _ shards: [Shard]) async {
        var turn = 0
        do throws(SystemError) {
            while let socket = try await listener.accept(for: { shards[turn].loop }) {
                let shard = shards[turn]
                let isWelcome = service.opened()
                shard.loop.run {
                    if isWelcome { shard.open(socket, service) } else { shard.turnAway(socket, service) }
                }
                turn = (turn + 1) % shards.count
            }
        } catch {
            service.observer.failed?(error, ErrorContext(requestID: "", head: nil))
        }
    }

    /// Ends the server: refuses new connections, closes idle ones, lets running requests finish and tells their clients
    /// `Connection: close`; what still runs after `patience` is closed and its tasks are cancelled. Blocks the calling
    /// thread, which must not be a loop's, until the loops have ended. A second call waits for the end of the first.
    /// - Returns: whether all connections ended by themselves.
    @discardableResult
    public func drain(within patience: Duration) -> Bool {
        let deadline = MonotonicInstant.now + patience
        guard service.startDraining() else {
            ended.wait()
            return service.allClosed.wait(until: .now)
        }
        defer { ended.open() }
        if let listener {
            let closed = Latch()
            shards[0].loop.run {
                listener.close()
                closed.open()
            }
            closed.wait()
            for shard in shards { shard.loop.run { shard.drain() } }
        }
        service.checkAllClosed()
        let isClean = service.allClosed.wait(until: deadline)
        if !isClean {
            for shard in shards { shard.loop.run { shard.abort() } }
            service.allClosed.wait(until: .now + .seconds(1))
        }
        for shard in shards { shard.loop.shutdown() }
        return isClean
    }
}

extension Shard {
    /// One connection too many: it is told so and closed, and keeps no one from being served.
    fileprivate func turnAway(_ socket: Socket, _ service: Service) {
        Task(executorPreference: loop) {
            defer { service.closed() }
            let error = HTTPError(.serviceUnavailable, "too-many-connections", "All connections are in use.")
            let identifier = RequestIdentifier.generated(self.nextIdentifier())
            let response = service.respondToError(
                error, ErrorContext(requestID: identifier.text(nil), head: nil))
            var bytes: [UInt8] = []
            let content: [UInt8] = if case .bytes(let body) = response.body { body } else { [] }
            self.encoder.append(
                response, framing: .length(content.count), keepsAlive: false, head: nil, identifier: identifier,
                to: &bytes)
            do {
                try socket.attach()
                try await socket.write(bytes + content, patience: .seconds(1))
                // Reading what the client sent keeps the close from becoming a reset that takes the reply along.
                socket.finishWriting()
                var dropped: [UInt8] = []
                _ = try await socket.read(into: &dropped, until: .now + .milliseconds(200))
            } catch {
                // It was told what could be told.
            }
            socket.close()
        }
    }
}
