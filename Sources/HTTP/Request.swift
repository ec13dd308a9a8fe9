import EventLoop

/// A request being handled: its head is there, its body comes when it is asked for.
///
/// `@unchecked Sendable`: what can change is used on the connection's loop only; the members that use it check that.
/// Everything else is constant once a handler sees it.
public final class Request: @unchecked Sendable {
    public let head: RequestHead
    /// The values of the route's segments in braces.
    public internal(set) var parameters = PathParameters()
    /// The route that was found.
    public internal(set) var route: Route?
    /// Who asks, as a handler has found out.
    public var user: (any AnyObject & Sendable)?

    /// When its head was complete.
    public let arrival: MonotonicInstant
    let identifier: RequestIdentifier
    var content: RequestContent
    /// Nil once the reply is complete.
    var connection: Connection?
    private let server: ServerContext
    private let loop: EventLoop

    init(_ head: RequestHead, identifier: RequestIdentifier, connection: Connection) {
        self.head = head
        self.identifier = identifier
        self.connection = connection
        server = connection.server
        loop = connection.loop
        arrival = connection.loop.now
        content = RequestContent(head, limits: connection.server.limits)
    }

    /// What the reply's `X-Request-Id` says: the client's own, if it is 1 to 128 of `A-Za-z0-9._-`, else 16
    /// hexadecimal digits.
    public var id: String { identifier.text(head) }

    /// What is told of an error in its handling.
    var errorContext: ErrorContext { ErrorContext(requestID: id, head: head) }

    /// The server's bounds.
    public var limits: HTTPLimits { server.limits }

    /// Whether the server has been asked to end: work that could go on for long should come to a close.
    public var isDraining: Bool { server.isDraining }

    /// The whole body, without its content coding.
    /// - Parameter limit: the most bytes to accept; without one, `HTTPLimits.bodyBytes`.
    /// - Throws: 413 when the body is larger (at once if it declares so), 400 when its framing or coding is broken, 408
    ///   when it stalls or drips, 415 for an unknown coding, and `clientGone`.
    public func body(upTo limit: Int? = nil) async throws(HTTPError) -> [UInt8] {
        let limit = limit ?? server.limits.bodyBytes
        let isGzip = try ContentCoding.isGzip(head)
        let bytes = try await encodedBody(upTo: limit)
        return isGzip ? try ContentCoding.decode(bytes, limit: limit) : bytes
    }

    private func encodedBody(upTo limit: Int) async throws(HTTPError) -> [UInt8] {
        let connection = try current()
        let tooLarge = HTTPError(
            .contentTooLarge, "body-too-large", "The body is larger than \(limit) bytes.", limit: limit)
        if let remaining = content.declared, remaining > limit {
            connection.mustClose = true
            throw tooLarge
        }
        if content.declared != nil, !content.awaitsContinue, let connection = self.connection,
            let whole = content.takeWhole(&connection.input)
        {
            return whole
        }
        var whole: [UInt8] = []
        let begun = MonotonicInstant.now
        while let part = try await nextBodyPart() {
            try requirePace(since: begun)
            if part.count > limit - whole.count {
                connection.mustClose = true
                throw tooLarge
            }
            if whole.isEmpty {
                whole = part
                if let declared = content.declared { whole.reserveCapacity(part.count + min(declared, 1 << 20)) }
            } else {
                whole.append(contentsOf: part)
            }
        }
        return whole
    }

    private func requirePace(since begun: MonotonicInstant) throws(HTTPError) {
        let time = loop.now - begun
        guard time > server.limits.bodyTime, !content.isComplete,
            Double(content.received) < Double(server.limits.bodyRate) * (time / .seconds(1))
        else { return }
        connection?.mustClose = true
        throw HTTPError(
            .requestTimeout, "body-too-slow", "The body came with less than \(server.limits.bodyRate) bytes a second.",
            limit: server.limits.bodyRate)
    }

    /// The next bytes of the body, as many as have arrived, at most 64 KiB or so; nil at its end. The first call sends
    /// `100 Continue` to a client that waits for it (RFC 9110 §10.1.1).
    /// - Parameter patience: the longest wait; without one, `HTTPLimits.bodyTime`.
    /// - Throws: 400 when the framing is broken, 408 when nothing comes, and `clientGone`.
    public func nextBodyPart(within patience: Duration? = nil) async throws(HTTPError) -> [UInt8]? {
        let connection = try current()
        if content.isComplete { return nil }
        try await connection.sendContinue(self)
        return try await connection.readPart(of: self, within: patience ?? server.limits.bodyTime)
    }

    /// What came of a wait for more of the body.
    public enum BodyPart: Sendable {
        case bytes([UInt8])
        /// There is nothing to come: the body is complete, or, where it says so, the client or this server has ended the
        /// connection's way in before.
        case end(isComplete: Bool)
        /// Nothing has come in time; it may still.
        case quiet
    }

    /// Waits for more of the body, of which the end may come before its time: for streams that go on for as long as both
    /// sides like. When the server drains, the wait ends once all that has arrived has been given out.
    /// - Throws: 400 when the framing is broken, and `clientGone`.
    public func bodyPart(within patience: Duration) async throws(HTTPError) -> BodyPart {
        let connection = try current()
        if content.isComplete { return .end(isComplete: true) }
        try await connection.sendContinue(self)
        return try await connection.streamPart(of: self, within: patience)
    }

    /// Has `action` called on the loop when the connection dies before the reply is complete; at once if it has. A
    /// client that has only finished sending may still want its reply, so no end of its bytes counts, only a reset or
    /// an error of the connection; the connection itself finds out which of them is gone. The handler's task is
    /// cancelled at the same time.
    public func whenClientGone(_ action: @escaping @Sendable () -> Void) {
        loop.preconditionCurrent()
        guard let connection, !connection.socket.hungUp else { return action() }
        connection.hangUpActions.append(action)
    }

    private func current() throws(HTTPError) -> Connection {
        loop.preconditionCurrent()
        guard let connection else { throw .clientGone }
        return connection
    }
}
