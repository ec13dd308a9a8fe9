import EventLoop

/// One client's connection: requests are read, handled and answered in their order, in straight-line code.
///
/// `@unchecked Sendable`: used on its loop's thread only, by its own task, the loop's callbacks and its shard.
final class Connection: @unchecked Sendable {
    let socket: Socket
    let loop: EventLoop
    let service: Service
    let endpoint: Endpoint
    let shard: Shard
    private let transport: Transport
    var task: Task<Void, Never>?

    var input = InputBuffer()
    /// Encoded and not yet handed to the kernel.
    var output: [UInt8] = []
    /// The reply under way must be the last, because the request's end cannot be found or is too far off.
    var mustClose = false
    var streamIsFinished = false
    /// Bytes of content of the present reply.
    var sentContent = 0
    private var requests = 0
    /// Whether bytes of the reply's head have been given to the kernel.
    private var replyHasBegun = false
    private var parser: RequestParser
    /// The request that is being handled.
    private var inHand: Request?
    /// Whether the request in hand has a body whose end may come at any time.
    private var mayEndEarly = false
    private var hasEndedReading = false
    /// Whether the connection waits for the first byte of a request, or has not come to terms yet.
    private var isIdle = false
    var hangUpActions: [@Sendable () -> Void] = []

    init(_ socket: Socket, endpoint: Endpoint, service: Service, shard: Shard) {
        self.socket = socket
        self.endpoint = endpoint
        transport = Transport(socket, endpoint.tls?.session())
        self.service = service
        self.shard = shard
        loop = socket.loop
        parser = RequestParser(limits: service.limits)
    }

    /// Serves the connection to its end; its socket is closed then.
    func serve() async {
        do throws(SystemError) { try socket.attach() } catch { return socket.close() }
        socket.onHangUp = { [unowned self] in hangUp() }
        socket.onPeerFinished = { [unowned self] in if let inHand { probe(inHand) } }
        // A client that takes its time to come to terms is nobody to wait for.
        isIdle = true
        if service.isDraining { endReading() }
        do throws(SocketError) { try await transport.open(until: loop.now + service.limits.headTime) } catch {
            return socket.close()
        }
        do throws(HTTPError) {
            while try await serveNext() {}
            try await flush()
        } catch {
            // The client is gone, or its stream was cut: there is no one to tell.
        }
        socket.close()
    }

    private func hangUp() {
        let actions = hangUpActions
        hangUpActions = []
        for action in actions { action() }
        task?.cancel()
    }

    /// A client that has finished sending may wait for its reply or be gone altogether, and only an answer to something
    /// sent tells: a reset. An interim reply harms nobody (RFC 9110 §15.2); HTTP/1.0 has none. Most replies are
    /// quicker.
    private func probe(_ request: Request) {
        guard request.head.minorVersion > 0 else { return }
        _ = loop.schedule(after: service.limits.probeDelay) { [weak self, weak request] in
            guard let self, let request, inHand === request, !replyHasBegun else { return }
            // An earlier reply that is still to be sent will find out as well.
            guard request.content.isComplete, socket.unsent == 0 else { return probe(request) }
            transport.writeSoon(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
        }
    }

    /// Lets a silent connection end, and a stream when it has read what has arrived; one with a request under way closes after its reply.
    func drain() {
        if isIdle || mayEndEarly { endReading() }
    }

    /// Ends the connection now, whatever it is doing.
    func abort() {
        socket.close()
        hangUp()
    }

    // MARK: One request

    /// Reads, handles and answers one request; false when it was the last.
    private func serveNext() async throws(HTTPError) -> Bool {
        let head: RequestHead
        do throws(HTTPError) {
            guard let next = try await readHead() else { return false }
            head = next
        } catch {
            if error.status == .clientGone { throw error }
            try await refuse(error)
            return false
        }
        let request = Request(head, identifier: identifier(head), connection: self)
        inHand = request
        defer { inHand = nil }
        if socket.peerFinished { probe(request) }
        requests += 1
        if let most = service.limits.requestsPerConnection, requests >= most { mustClose = true }
        sentContent = 0
        var response = await respond(to: request)
        if socket.hungUp || !socket.isOpen {
            conclude(request, HTTPStatus.clientGone, isComplete: false)
            throw .clientGone
        }
        mustClose = mustClose || mayNotDrain(request, response)
        let status = response.status
        let endsHere: Bool
        do throws(HTTPError) {
            endsHere = try await reply(&response, to: request)
        } catch {
            conclude(request, status, isComplete: false)
            throw error
        }
        conclude(request, status, isComplete: true)
        if endsHere {
            // Closing with unread input would reset the connection, and the client could lose the reply (RFC 9112
            // §9.6).
            if !request.content.isComplete || !input.isEmpty { await linger() }
            return false
        }
        return true
    }

    /// Nothing more is done for a request.
    private func conclude(_ request: Request, _ status: HTTPStatus, isComplete: Bool) {
        hangUpActions = []
        mayEndEarly = false
        request.connection = nil
        service.observer.replied?(
            Exchange(
                request: request, status: status, peer: socket.peer,
                isSecure: transport.isSecure, received: request.content.received, sent: sentContent,
                duration: MonotonicInstant.now - request.arrival, isComplete: isComplete,
                identifier: request.identifier))
    }

    private func identifier(_ head: RequestHead?) -> RequestIdentifier {
        RequestIdentifier(head, generate: shard.nextIdentifier)
    }

    private func respond(to request: Request) async -> Response {
        var response = await handle(request)
        service.crossOrigin?.decorate(&response, for: request.head)
        ContentCoding.encode(&response, for: request.head)
        return response
    }

    private func handle(_ request: Request) async -> Response {
        do {
            if let response = service.crossOrigin?.preflight(request.head) { return response }
            let found = try endpoint.router.find(request.head)
            (request.route, request.parameters) = (found.route, found.parameters)
            return try await found.handler(request)
        } catch let error as HTTPError {
            return render(error, request.head, request.identifier)
        } catch let error as any RespondingError {
            return error.response
        } catch {
            service.observer.failed?(error, ErrorContext(requestID: request.id, head: request.head))
            return render(.unexpected, request.head, request.identifier)
        }
    }

    private func render(_ error: HTTPError, _ head: RequestHead?, _ identifier: RequestIdentifier) -> Response {
        var response = service.respondToError(
            error, ErrorContext(requestID: identifier.text(head), head: head))
        for (name, value) in error.fields.pairs { response.fields[name] = value }
        return response
    }

    /// Answers a request whose head could not be understood.
    private func refuse(_ error: HTTPError) async throws(HTTPError) {
        let identifier = identifier(nil)
        sentContent = 0
        let arrival = loop.now
        let response = render(error, nil, identifier)
        try await sendPlain(response, head: nil, identifier: identifier, keepsAlive: false)
        service.observer.replied?(
            Exchange(
                request: nil, status: response.status, peer: socket.peer, isSecure: transport.isSecure,
                received: 0, sent: sentContent, duration: MonotonicInstant.now - arrival, isComplete: true,
                identifier: identifier))
        await linger()
    }

    // MARK: Reading

    /// The next head; nil when the client is done, or silent for too long.
    private func readHead() async throws(HTTPError) -> RequestHead? {
        isIdle = input.isEmpty
        defer { isIdle = false }
        if isIdle, service.isDraining { socket.finishReading() }
        var deadline = loop.now + (isIdle ? service.limits.idleTime : service.limits.headTime)
        while true {
            if !input.isEmpty {
                if isIdle {
                    isIdle = false
                    deadline = loop.now + service.limits.headTime
                }
                if let head = try parser.next(&input) { return head }
            }
            do throws(SocketError) {
                if try await transport.read(into: &input.bytes, until: deadline) == 0 { return nil }
            } catch .timedOut {
                if isIdle { return nil }
                throw HTTPError(.requestTimeout, "head-timeout", "The request's head took too long.")
            } catch {
                throw .clientGone
            }
        }
    }

    func readPart(of request: Request, within patience: Duration) async throws(HTTPError) -> [UInt8]? {
        do throws(HTTPError) {
            let deadline = MonotonicInstant.now + patience
            while true {
                if let part = try request.content.next(&input) { return part }
                if request.content.isComplete { return nil }
                let count: Int
                do throws(SocketError) {
                    count = try await transport.read(into: &input.bytes, until: deadline)
                } catch .timedOut {
                    throw HTTPError(.requestTimeout, "body-timeout", "The request's body took too long.")
                } catch {
                    throw HTTPError.clientGone
                }
                if count == 0 { throw HTTPError(.badRequest, "body-cut-short", "The body ended before its time.") }
            }
        } catch {
            mustClose = true
            throw error
        }
    }

    func bodyPart(of request: Request, within patience: Duration) async throws(HTTPError) -> Request.BodyPart {
        mayEndEarly = true
        if service.isDraining { endReading() }
        let deadline = MonotonicInstant.now + patience
        while true {
            do throws(HTTPError) {
                if let part = try request.content.next(&input) { return .bytes(part) }
            } catch {
                mustClose = true
                throw error
            }
            if request.content.isComplete { return .end(isComplete: true) }
            do throws(SocketError) {
                if try await transport.read(into: &input.bytes, until: deadline) > 0 { continue }
            } catch .timedOut {
                return .quiet
            } catch {
                // Within TLS an end that this side has made looks like one that nobody has announced.
                guard hasEndedReading else { throw .clientGone }
            }
            mustClose = true
            return .end(isComplete: false)
        }
    }

    private func endReading() {
        guard !hasEndedReading else { return }
        hasEndedReading = true
        socket.finishReading()
    }

    /// RFC 9110 §10.1.1: sent when the body is wanted, and never after the final status.
    func sendContinue(_ request: Request) async throws(HTTPError) {
        guard request.content.awaitsContinue else { return }
        request.content.awaitsContinue = false
        if replyHasBegun || !input.isEmpty { return }
        output.append("HTTP/1.1 100 Continue\r\n\r\n")
        try await flush()
    }

    // MARK: Replying

    /// Whether what the handler left of the body is more than the connection is worth. A stream may still read it.
    private func mayNotDrain(_ request: Request, _ response: Response) -> Bool {
        if request.content.isComplete { return false }
        if case .stream = response.body { return false }
        return request.content.awaitsContinue || (request.content.declared ?? 0) > service.limits.unreadBodyBytes
    }

    /// Sends a reply and gets the request's body out of the way; true when the connection ends with it.
    private func reply(_ response: inout Response, to request: Request) async throws(HTTPError) -> Bool {
        let head = request.head
        var keepsAlive = head.keepsAlive && !mustClose && !service.isDraining && !asksToClose(response.fields)
        if case .stream(let produce) = response.body, head.method != .head, !response.status.hasNoBody {
            if head.minorVersion == 0 { keepsAlive = false }
            // The client would not send the body that the stream reads after it has seen a final status.
            if (200..<300).contains(response.status.code) { try await sendContinue(request) }
            try await stream(response, produce, to: request, keepsAlive: keepsAlive)
        } else {
            try await sendPlain(response, head: head, identifier: request.identifier, keepsAlive: keepsAlive)
        }
        if keepsAlive { keepsAlive = await dropRest(of: request) }
        return !keepsAlive
    }

    private func asksToClose(_ fields: HeaderFields) -> Bool {
        fields.range(of: "connection").map { fields.bytes.spells("close", in: $0) } ?? false
    }

    private func sendPlain(
        _ response: Response, head: RequestHead?, identifier: RequestIdentifier, keepsAlive: Bool
    ) async throws(HTTPError) {
        var content: [UInt8] = []
        var framing = ReplyFraming.length(0)
        switch response.body {
        case .empty: break
        case .bytes(let bytes):
            content = bytes
            framing = .length(bytes.count)
        case .stream: framing = head?.minorVersion == 0 ? .close : .chunked
        }
        if response.status.hasNoBody { framing = .none }
        let isBare = response.status.hasNoBody || head?.method == .head
        shard.encoder.append(
            response, framing: framing, keepsAlive: keepsAlive, head: head, identifier: identifier, to: &output)
        replyHasBegun = true
        defer { replyHasBegun = false }
        if !isBare { sentContent = content.count }
        if !isBare, content.count > 16 << 10 {
            try await flush(more: true)
            return try await send(content)
        }
        if !isBare { output.append(contentsOf: content) }
        guard keepsAlive, socket.unsent < 64 << 10 else { return try await flush() }
        transport.writeSoon(output)
        output.removeAll(keepingCapacity: true)
    }

    private func stream(
        _ response: Response, _ produce: (consuming BodyWriter) async throws -> Void, to request: Request,
        keepsAlive: Bool
    ) async throws(HTTPError) {
        let isChunked = request.head.minorVersion > 0
        shard.encoder.append(
            response, framing: isChunked ? .chunked : .close, keepsAlive: keepsAlive, head: request.head,
            identifier: request.identifier, to: &output)
        replyHasBegun = true
        defer { replyHasBegun = false }
        streamIsFinished = false
        do {
            try await flush()
            try await produce(BodyWriter(self, isChunked: isChunked))
        } catch is HTTPError {
            // Almost always a client that is gone; the cut below tells the rest.
        } catch {
            service.observer.failed?(error, ErrorContext(requestID: request.id, head: request.head))
        }
        guard streamIsFinished else {
            // A missing last chunk shows the truncation; content that the close delimits needs a reset to show it.
            if !isChunked { socket.reset() }
            throw .clientGone
        }
    }

    func flush(more: Bool = false) async throws(HTTPError) {
        try await send(output, more: more)
        output.removeAll(keepingCapacity: true)
    }

    func send(_ bytes: [UInt8], more: Bool = false) async throws(HTTPError) {
        do throws(SocketError) {
            try await transport.write(bytes, more: more, patience: service.limits.writeTime)
        } catch {
            mustClose = true
            throw .clientGone
        }
    }

    // MARK: Ending

    /// Reads and drops what the handler left of the body, if that is little; false when the connection cannot go on.
    private func dropRest(of request: Request) async -> Bool {
        if mustClose { return false }
        if request.content.isComplete { return true }
        if request.content.awaitsContinue { return false }
        var dropped = 0
        do throws(HTTPError) {
            while let part = try await readPart(of: request, within: service.limits.bodyTime) {
                dropped += part.count
                if dropped > service.limits.unreadBodyBytes { return false }
            }
            return true
        } catch {
            return false
        }
    }

    /// Ends this side and drops what still comes, for a while (RFC 9112 §9.6).
    private func linger() async {
        // Replies that wait to be sent come before the end.
        do throws(HTTPError) { try await flush() } catch { return }
        await transport.finishWriting(patience: service.limits.lingerTime)
        let deadline = MonotonicInstant.now + service.limits.lingerTime
        var rest = service.limits.bodyBytes
        do throws(SocketError) {
            while rest > 0, MonotonicInstant.now < deadline {
                input.consume(input.count)
                let count = try await transport.read(into: &input.bytes, until: deadline)
                if count == 0 { return }
                rest -= count
            }
        } catch {
            // It is over in any case.
        }
    }
}
