import EventLoop

/// An HTTP/1.1 server (RFC 9110, RFC 9112): loops, listening sockets, and the connections that they accept.
///
/// `@unchecked Sendable`: `listeners` is written by `listen` and read by `accept` and `drain`, which follow one another; all other
/// members are constants that are themselves safe to share.
public final class HTTPServer: @unchecked Sendable {
    /// A place where the server takes connections.
    public struct Door: Sendable {
        public var address: ListenAddress
        /// What may be asked for there.
        public var router: Router
        /// Nil for plain HTTP.
        public var tls: TLSConfiguration?

        public init(_ address: ListenAddress, _ router: Router, tls: TLSConfiguration? = nil) {
            (self.address, self.router, self.tls) = (address, router, tls)
        }
    }

    private let doors: [Door]
    private let server: ServerContext
    private let shards: [Shard]
    private let ended = Latch()
    private var listeners: [Listener] = []

    /// A server at rest.
    /// - Parameters:
    ///   - loops: how many threads serve connections; accepted ones go to them in turn.
    ///   - crossOrigin: which pages of other origins may call; nil for none.
    ///   - errorResponder: renders 4xx and 5xx replies.
    /// - Throws: when the process has no descriptors left.
    public init(
        doors: [Door], loops: Int = 1, limits: HTTPLimits = HTTPLimits(), crossOrigin: CrossOrigin? = nil,
        observer: HTTPObserver = HTTPObserver(), errorResponder: @escaping ErrorResponder = HTTPServer.plainErrors
    ) throws(SystemError) {
        precondition(loops > 0, "\(loops) loops can serve no one")
        self.doors = doors
        server = ServerContext(
            limits: limits, crossOrigin: crossOrigin, errorResponder: errorResponder, observer: observer)
        var shards: [Shard] = []
        for _ in 0..<loops { shards.append(Shard(try EventLoop(), unsentBytes: limits.unsentBytes / loops)) }
        self.shards = shards
    }

    /// Renders an error as its slug and detail in plain text.
    public static let plainErrors: ErrorResponder = { error, _ in
        Response(error.status, text: "\(error.slug): \(error.detail)\n")
    }

    /// Whether `drain` has begun.
    public var isDraining: Bool { server.isDraining }

    /// Connections now, and since the start those accepted and those turned away.
    public var connections: (open: Int, accepted: Int, refused: Int) {
        (server.census.open, server.census.acceptedSoFar, server.census.refusedSoFar)
    }

    /// Bytes of large replies that wait for their readers, how many may, and readers dropped beyond that so far.
    public var unsent: (bytes: Int, limit: Int, dropped: Int) {
        let all = shards.map(\.unsent.figures)
        return (all.reduce(0) { $0 + $1.bytes }, server.limits.unsentBytes, all.reduce(0) { $0 + $1.dropped })
    }

    /// What the loops have done so far.
    public var loops: [EventLoop.Statistics] { shards.map(\.loop.statistics) }

    /// A door that cannot be opened: its host is unknown, or its address is taken or not ours.
    public struct ListenError: Error, CustomStringConvertible {
        public let address: ListenAddress
        public let cause: SystemError

        public var description: String { "cannot listen on \(address): \(cause)" }
    }

    /// Listens and accepts.
    /// - Returns: the ports of the doors, in order; 0 for those that have none.
    public func start() throws(ListenError) -> [Int] {
        let ports = try listen()
        accept()
        return ports
    }

    /// Listens at all doors, or at none, and starts the loops. Connections wait in the kernel's queues until `accept`.
    /// - Returns: the ports of the doors, in order; 0 for those that have none.
    public func listen() throws(ListenError) -> [Int] {
        precondition(listeners.isEmpty, "a server is started once")
        for door in doors {
            do throws(SystemError) {
                listeners.append(try Listener.bind(to: door.address, on: shards[0].loop))
            } catch {
                for listener in listeners { listener.abandon() }
                listeners = []
                throw ListenError(address: door.address, cause: error)
            }
        }
        for shard in shards { shard.loop.start() }
        return listeners.map(\.port)
    }

    /// Accepts connections from now on. Once, after `listen`.
    public func accept() {
        for (listener, door) in zip(listeners, doors) {
            let endpoint = Endpoint(door.router, door.tls)
            Task(executorPreference: shards[0].loop) { [server, shards] in
                await Self.accept(listener, endpoint, server, shards)
            }
        }
    }

    private static func accept(
        _ listener: Listener, _ endpoint: Endpoint, _ server: ServerContext, _ shards: [Shard]
    ) async {
        var turn = 0
        do throws(SystemError) {
            while let socket = try await listener.accept(for: { shards[turn].loop }) {
                let shard = shards[turn]
                let welcome = server.census.enter(socket.peer)
                shard.loop.run {
                    switch welcome {
                    case .welcome: shard.open(socket, endpoint, server)
                    case .closed: shard.drop(socket, server)
                    // An answer within TLS would be work for those who are one too many.
                    case .tooMany where endpoint.tls != nil, .tooManyFromAddress where endpoint.tls != nil:
                        shard.drop(socket, server)
                    case .tooMany:
                        shard.turnAway(
                            socket, server,
                            HTTPError(.serviceUnavailable, "too-many-connections", "All connections are in use."))
                    case .tooManyFromAddress:
                        let limit = server.limits.connectionsPerAddress
                        shard.turnAway(
                            socket, server,
                            HTTPError(
                                .tooManyRequests, "too-many-connections",
                                "There are \(limit!) connections from this address already.", limit: limit))
                    }
                }
                turn = (turn + 1) % shards.count
            }
        } catch {
            server.observer.failed?(error, ErrorContext(requestID: "", head: nil))
        }
    }

    /// Ends the server: refuses new connections, closes idle ones, lets running requests finish and tells their clients
    /// `Connection: close`; what still runs after `patience` is closed and its tasks are cancelled. Blocks the calling
    /// thread, which must not be a loop's, until the loops have ended. A second call waits for the end of the first.
    /// - Returns: whether all connections ended by themselves.
    @discardableResult
    public func drain(within patience: Duration) -> Bool {
        let deadline = MonotonicInstant.now + patience
        guard server.startDraining() else {
            ended.wait()
            return server.allClosed.wait(until: .now)
        }
        defer { ended.open() }
        if !listeners.isEmpty {
            let closed = Latch()
            shards[0].loop.run { [listeners] in
                for listener in listeners { listener.close() }
                closed.open()
            }
            closed.wait()
            for shard in shards { shard.loop.run { shard.drain() } }
        }
        server.checkAllClosed()
        let isClean = server.allClosed.wait(until: deadline)
        if !isClean {
            for shard in shards { shard.loop.run { shard.abort() } }
            server.allClosed.wait(until: .now + .seconds(1))
        }
        for shard in shards { shard.loop.shutdown() }
        return isClean
    }
}

extension Shard {
    /// Closes a connection without a word.
    fileprivate func drop(_ socket: Socket, _ server: ServerContext) {
        do throws(SystemError) { try socket.attach() } catch {}
        socket.close()
        server.closed(socket.peer)
    }

    /// One connection too many: it is told so and closed, and keeps no one from being served.
    fileprivate func turnAway(_ socket: Socket, _ server: ServerContext, _ error: HTTPError) {
        Task(executorPreference: loop) {
            defer { server.closed(socket.peer) }
            var error = error
            error.fields["retry-after"] = "1"
            let identifier = RequestIdentifier.generated(self.nextIdentifier())
            let response = server.render(error, identifier)
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
