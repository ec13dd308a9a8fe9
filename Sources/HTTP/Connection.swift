import EventLoop

/// One client's connection: requests are read, handled and answered in their order, in straight-line code.
///
/// `@unchecked Sendable`: used on its loop's thread only, by its own task, the loop's callbacks and its shard.
final class Connection: @unchecked Sendable {
    let socket: Socket
    let loop: EventLoop
    let server: ServerContext
    let endpoint: Endpoint
    let shard: Shard
    let transport: Transport
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
    var replyHasBegun = false
    /// When the present reply has begun, if it is made while it is sent.
    var streamBegan: MonotonicInstant?
    var parser: RequestParser
    /// The request that is being handled.
    private var inHand: Request?
    /// Whether the request in hand has a body whose end may come at any time.
    var mayEndEarly = false
    var hasEndedReading = false
    /// Whether the connection waits for the first byte of a request, or has not come to terms yet.
    var isIdle = false
    var hangUpActions: [@Sendable () -> Void] = []
    /// What its reply holds, and since when that waits for the reader; `UnsentReplies` counts it.
    var heldBytes = 0
    var waitsSince: MonotonicInstant?

    init(_ socket: Socket, endpoint: Endpoint, server: ServerContext, shard: Shard) {
        self.socket = socket
        self.endpoint = endpoint
        transport = Transport(socket, endpoint.tls?.session())
        self.server = server
        self.shard = shard
        loop = socket.loop
        parser = RequestParser(limits: server.limits)
    }

    /// Serves the connection to its end; its socket is closed then.
    func serve() async {
        do throws(SystemError) { try socket.attach() } catch { return socket.close() }
        socket.onHangUp = { [unowned self] in hangUp() }
        socket.onPeerFinished = { [unowned self] in if let inHand { probe(inHand) } }
        // A client that takes its time to come to terms is nobody to wait for.
        isIdle = true
        if server.isDraining { endReading() }
        do throws(SocketError) { try await transport.open(until: loop.now + server.limits.headTime) } catch {
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
        tellGone()
        task?.cancel()
    }

    private func tellGone() {
        let actions = hangUpActions
        hangUpActions = []
        for action in actions { action() }
    }

    /// A client that has finished sending may wait for its reply or be gone altogether, and only an answer to something
    /// sent tells: a reset. An interim reply harms nobody (RFC 9110 §15.2); HTTP/1.0 has none. Most replies are
    /// quicker.
    private func probe(_ request: Request) {
        guard request.head.minorVersion > 0 else { return }
        _ = loop.schedule(after: server.limits.probeDelay) { [weak self, weak request] in
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
        if let most = server.limits.requestsPerConnection, requests >= most { mustClose = true }
        sentContent = 0
        streamBegan = nil
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
            // Whoever takes nothing is as good as gone.
            tellGone()
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
        report(request, status, since: request.arrival, request.identifier, isComplete: isComplete)
    }

    private func report(
        _ request: Request?, _ status: HTTPStatus, since arrival: MonotonicInstant, _ identifier: RequestIdentifier,
        isComplete: Bool
    ) {
        server.observer.replied?(
            Exchange(
                request: request, status: status, peer: socket.peer, isSecure: transport.isSecure,
                received: request?.content.received ?? 0, sent: sentContent, duration: MonotonicInstant.now - arrival,
                streamBegan: streamBegan.map { $0 - arrival }, isComplete: isComplete, identifier: identifier))
    }

    private func identifier(_ head: RequestHead?) -> RequestIdentifier {
        RequestIdentifier(head, generate: shard.nextIdentifier)
    }

    private func respond(to request: Request) async -> Response {
        var response = await handle(request)
        server.crossOrigin?.decorate(&response, for: request.head)
        ContentCoding.encode(&response, for: request.head)
        return response
    }

    private func handle(_ request: Request) async -> Response {
        do {
            if let response = server.crossOrigin?.preflight(request.head) { return response }
            let found = try endpoint.router.find(request.head)
            (request.route, request.parameters) = (found.route, found.parameters)
            return try await found.handler(request)
        } catch let error as HTTPError {
            return server.render(error, request.errorContext)
        } catch let error as any RespondingError {
            return error.response
        } catch {
            server.observer.failed?(error, request.errorContext)
            return server.render(.unexpected, request.errorContext)
        }
    }

    /// Answers a request whose head could not be understood.
    private func refuse(_ error: HTTPError) async throws(HTTPError) {
        let identifier = identifier(nil)
        sentContent = 0
        streamBegan = nil
        let arrival = loop.now
        let response = server.render(error, identifier)
        try await sendPlain(response, head: nil, identifier: identifier, keepsAlive: false)
        report(nil, response.status, since: arrival, identifier, isComplete: true)
        await linger()
    }

    /// Ends this side and drops what still comes, for a while (RFC 9112 §9.6).
    private func linger() async {
        // Replies that wait to be sent come before the end.
        do throws(HTTPError) { try await flush() } catch { return }
        await transport.finishWriting(patience: server.limits.lingerTime)
        let deadline = MonotonicInstant.now + server.limits.lingerTime
        var rest = server.limits.bodyBytes
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
