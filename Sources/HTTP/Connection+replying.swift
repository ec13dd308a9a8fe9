import EventLoop

extension Connection {
    /// Whether what the handler left of the body is more than the connection is worth. A stream may still read it.
    func mayNotDrain(_ request: Request, _ response: Response) -> Bool {
        if request.content.isComplete { return false }
        if case .stream = response.body { return false }
        return request.content.awaitsContinue || (request.content.declared ?? 0) > server.limits.unreadBodyBytes
    }

    /// Sends a reply and gets the request's body out of the way; true when the connection ends with it.
    func reply(_ response: inout Response, to request: Request) async throws(HTTPError) -> Bool {
        let head = request.head
        var keepsAlive = head.keepsAlive && !mustClose && !server.isDraining && !asksToClose(response.fields)
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

    func sendPlain(
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
        streamBegan = .now
        streamIsFinished = false
        if response.heldBytes > 0 { shard.unsent.hold(response.heldBytes, self) }
        defer { if response.heldBytes > 0 { shard.unsent.release(response.heldBytes, self) } }
        do {
            try await flush()
            try await produce(BodyWriter(self, isChunked: isChunked))
        } catch is HTTPError {
            // Almost always a client that is gone; the cut below tells the rest.
        } catch {
            server.observer.failed?(error, request.errorContext)
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
        guard bytes.count > Self.pieceBytes else { return try await write(bytes, more: more) }
        shard.unsent.hold(bytes.count, self)
        defer { shard.unsent.release(bytes.count, self) }
        for start in stride(from: 0, to: bytes.count, by: Self.pieceBytes) {
            let end = min(start + Self.pieceBytes, bytes.count)
            try await write(Array(bytes[start..<end]), more: more || end < bytes.count)
        }
    }

    /// Bytes after which a reader that takes a large reply is seen to go on.
    private static let pieceBytes = 128 << 10

    private func write(_ bytes: [UInt8], more: Bool) async throws(HTTPError) {
        if heldBytes > 0 { shard.unsent.wait(self) }
        defer { if heldBytes > 0 { shard.unsent.proceed(self) } }
        do throws(SocketError) {
            try await transport.write(bytes, more: more, patience: server.limits.writeTime)
        } catch {
            mustClose = true
            throw .clientGone
        }
    }
}
