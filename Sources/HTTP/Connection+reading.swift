import EventLoop

extension Connection {
    /// The next head; nil when the client is done, or silent for too long.
    func readHead() async throws(HTTPError) -> RequestHead? {
        isIdle = input.isEmpty
        defer { isIdle = false }
        if isIdle, server.isDraining { endReading() }
        var deadline = loop.now + (isIdle ? server.limits.idleTime : server.limits.headTime)
        while true {
            if !input.isEmpty {
                if isIdle {
                    isIdle = false
                    deadline = loop.now + server.limits.headTime
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

    /// The next bytes of a body that must come to its end in time; nil when it has.
    func readPart(of request: Request, within patience: Duration) async throws(HTTPError) -> [UInt8]? {
        switch try await nextPart(of: request, within: patience) {
        case .bytes(let part): return part
        case .end(isComplete: true): return nil
        case .end(isComplete: false):
            throw HTTPError(.badRequest, "body-cut-short", "The body ended before its time.")
        case .quiet:
            mustClose = true
            throw HTTPError(.requestTimeout, "body-timeout", "The request's body took too long.")
        }
    }

    /// The next bytes of a body that goes on for as long as both sides like.
    func streamPart(of request: Request, within patience: Duration) async throws(HTTPError) -> Request.BodyPart {
        mayEndEarly = true
        if server.isDraining { endReading() }
        return try await nextPart(of: request, within: patience)
    }

    private func nextPart(of request: Request, within patience: Duration) async throws(HTTPError) -> Request.BodyPart {
        let deadline = MonotonicInstant.now + patience
        while true {
            do throws(HTTPError) {
                if let part = try request.content.next(&input) { return .bytes(part) }
            } catch {
                mustClose = true
                throw error
            }
            if request.content.isComplete { return .end(isComplete: true) }
            let isBroken: Bool
            do throws(SocketError) {
                if try await transport.read(into: &input.bytes, until: deadline) > 0 { continue }
                isBroken = false
            } catch .timedOut {
                return .quiet
            } catch {
                // Within TLS an end that this side has made looks like one that nobody has announced.
                isBroken = !hasEndedReading
            }
            mustClose = true
            if isBroken { throw .clientGone }
            return .end(isComplete: false)
        }
    }

    func endReading() {
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

    /// Reads and drops what the handler left of the body, if that is little; false when the connection cannot go on.
    func dropRest(of request: Request) async -> Bool {
        if mustClose { return false }
        if request.content.isComplete { return true }
        if request.content.awaitsContinue { return false }
        var dropped = 0
        do throws(HTTPError) {
            while let part = try await readPart(of: request, within: server.limits.bodyTime) {
                dropped += part.count
                if dropped > server.limits.unreadBodyBytes { return false }
            }
            return true
        } catch {
            return false
        }
    }
}
