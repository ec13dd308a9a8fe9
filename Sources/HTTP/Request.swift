import EventLoop

/// A request being handled: its head is there, its body comes when it is asked for.
///
/// `@unchecked Sendable`: what can change is used on the connection's loop only; the members that use it check that.
/// Everything else is constant once a handler sees it.
public final class Request: @unchecked Sendable {
    public let head: RequestHead
    /// The values of the route's segments in braces.
    public internal(set) var parameters = PathParameters()

    /// When its head was complete.
    public let arrival: MonotonicInstant
    let identifier: RequestIdentifier
    var content: RequestContent
    /// Nil once the reply is complete.
    var connection: Connection?
    private let service: Service
    private let loop: EventLoop

    init(_ head: RequestHead, identifier: RequestIdentifier, connection: Connection) {
        self.head = head
        self.identifier = identifier
        self.connection = connection
        service = connection.service
        loop = connection.loop
        arrival = connection.loop.now
        content = RequestContent(head, limits: connection.service.limits)
    }

    /// What the reply's `X-Request-Id` says: the client's own, if it is 1 to 128 of `A-Za-z0-9._-`, else 16
    /// hexadecimal digits.
    public var id: String { identifier.text(head) }

    /// Whether the server has been asked to end: work that could go on for long should come to a close.
    public var isDraining: Bool { service.isDraining }

    /// The whole body.
    /// - Parameter limit: the most bytes to accept; without one, `HTTPLimits.bodyBytes`.
    /// - Throws: 413 when the body is larger (at once if it declares so), 400 when its framing is broken, 408 when it
    ///   stalls, and `clientGone`.
    public func body(upTo limit: Int? = nil) async throws(HTTPError) -> [UInt8] {
        let connection = try current()
        let limit = limit ?? service.limits.bodyBytes
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
        while let part = try await nextBodyPart() {
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

    /// The next bytes of the body, as many as have arrived, at most 64 KiB or so; nil at its end. The first call sends
    /// `100 Continue` to a client that waits for it (RFC 9110 §10.1.1).
    /// - Parameter patience: the longest wait; without one, `HTTPLimits.bodyTime`.
    /// - Throws: 400 when the framing is broken, 408 when nothing comes, and `clientGone`.
    public func nextBodyPart(within patience: Duration? = nil) async throws(HTTPError) -> [UInt8]? {
        let connection = try current()
        if content.isComplete { return nil }
        try await connection.sendContinue(self)
        return try await connection.readPart(of: self, within: patience ?? service.limits.bodyTime)
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

/// Where a request's id comes from; it becomes text only where text is wanted.
enum RequestIdentifier {
    /// A range of the head's bytes.
    case client(Range<Int>)
    case generated(UInt64)

    init(_ head: RequestHead?, generate: () -> UInt64) {
        if let head, let range = head.fields.range(of: "x-request-id"), (1...128).contains(range.count),
            head.fields.bytes[range].allSatisfy({ $0.isToken && !"!#$%&'*+^`|~".utf8.contains($0) })
        {
            self = .client(range)
        } else {
            self = .generated(generate())
        }
    }

    func append(to bytes: inout [UInt8], _ head: RequestHead?) {
        switch self {
        case .client(let range): bytes.append(contentsOf: head!.fields.bytes[range])
        case .generated(let number): bytes.append(hex: number, digits: 16)
        }
    }

    func text(_ head: RequestHead?) -> String {
        var bytes: [UInt8] = []
        append(to: &bytes, head)
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// How far a request's body has been read.
struct RequestContent {
    private enum State {
        case complete
        /// Bytes to come.
        case length(Int)
        case chunked(ChunkedDecoder)
    }

    private var state: State
    /// Whether the client still waits for `100 Continue`.
    var awaitsContinue: Bool

    init(_ head: RequestHead, limits: HTTPLimits) {
        awaitsContinue = head.expectsContinue
        switch head.framing {
        case .none: state = .complete
        case .length(let count): state = .length(count)
        case .chunked: state = .chunked(ChunkedDecoder(limits: limits))
        }
    }

    var isComplete: Bool {
        if case .complete = state { true } else { false }
    }

    /// Bytes to come, where that is known.
    var declared: Int? {
        if case .length(let count) = state { count } else { nil }
    }

    /// Takes all of a body out of `input`, if all of it has come; nil else, and nothing is taken.
    mutating func takeWhole(_ input: inout InputBuffer) -> [UInt8]? {
        guard case .length(let count) = state, input.count >= count else { return nil }
        state = .complete
        return input.take(count)
    }

    /// Takes the next piece out of `input`; nil means that either the body is complete or more input is needed.
    mutating func next(_ input: inout InputBuffer) throws(HTTPError) -> [UInt8]? {
        switch state {
        case .complete: return nil
        case .length(let count):
            let taken = min(count, input.count)
            if taken == 0 { return nil }
            state = taken == count ? .complete : .length(count - taken)
            return input.take(taken)
        case .chunked(var decoder):
            var cursor = input.start
            var piece: [UInt8] = []
            // Gathers the chunks that are there: a body in many small ones is not handed over byte by byte.
            scan: while true {
                switch try decoder.next(input.bytes, from: &cursor) {
                case .data(let range): piece.append(contentsOf: input.bytes[range])
                case .needMore:
                    state = .chunked(decoder)
                    break scan
                case .end:
                    state = .complete
                    break scan
                }
            }
            input.consume(cursor - input.start)
            return piece.isEmpty ? nil : piece
        }
    }
}
