import EventLoop

/// What a connection sends and receives by: a socket, with or without TLS on it.
///
/// Used like the socket, on its loop and by the connection's task.
struct Transport {
    let socket: Socket
    private let tls: TLSSession?

    init(_ socket: Socket, _ tls: TLSSession?) { (self.socket, self.tls) = (socket, tls) }

    /// Whether what goes over the network is secret.
    var isSecure: Bool { tls != nil }

    /// Comes to terms with the client. What it is told if that fails has been sent.
    func open(until deadline: MonotonicInstant) async throws(SocketError) {
        guard let tls else { return }
        while true {
            let outcome = tls.handshake()
            socket.writeSoon(tls.takeOutput())
            switch outcome {
            case .done: return
            case .needsInput: try await receive(tls, until: deadline)
            case .isPlain:
                let text = "This port speaks HTTPS.\n"
                socket.writeSoon(
                    Array(
                        ("HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n"
                            + "content-length: \(text.utf8.count)\r\nconnection: close\r\n\r\n" + text).utf8))
                fallthrough
            case .ended, .failed:
                try await socket.write([], patience: .seconds(1))
                throw .closed
            }
        }
    }

    /// As `Socket.read`; 0 when the peer has said that it will send no more.
    func read(into bytes: inout [UInt8], until deadline: MonotonicInstant) async throws(SocketError) -> Int {
        guard let tls else { return try await socket.read(into: &bytes, until: deadline) }
        while true {
            let outcome = tls.decrypt(into: &bytes)
            let answer = tls.takeOutput()
            if !answer.isEmpty { socket.writeSoon(answer) }
            switch outcome {
            case .done(let count): return count
            case .ended: return 0
            case .failed, .isPlain: throw .reset
            case .needsInput: try await receive(tls, until: deadline)
            }
        }
    }

    private func receive(_ tls: TLSSession, until deadline: MonotonicInstant) async throws(SocketError) {
        var bytes: [UInt8] = []
        let count = try await socket.read(into: &bytes, until: deadline)
        // Without a word of TLS' own before, somebody else may have ended it (RFC 9112 §9.8).
        if count == 0 { throw .reset }
        tls.receive(bytes)
    }

    /// As `Socket.write`.
    func write(_ bytes: [UInt8], more: Bool = false, patience: Duration? = nil) async throws(SocketError) {
        guard let tls else { return try await socket.write(bytes, more: more, patience: patience) }
        var start = 0
        repeat {
            let end = min(bytes.count, start + 256 << 10)
            guard tls.encrypt(bytes, start..<end) else { throw .reset }
            try await socket.write(tls.takeOutput(), more: more || end < bytes.count, patience: patience)
            start = end
        } while start < bytes.count
    }

    /// As `Socket.writeSoon`.
    func writeSoon(_ bytes: [UInt8]) {
        guard let tls else { return socket.writeSoon(bytes) }
        if tls.encrypt(bytes, bytes.indices) { socket.writeSoon(tls.takeOutput()) }
    }

    /// Tells the peer that nothing more will be sent, behind what is to be sent still; reading goes on.
    func finishWriting(patience: Duration) async {
        tls?.finish()
        do throws(SocketError) { try await socket.write(tls?.takeOutput() ?? [], patience: patience) } catch { return }
        socket.finishWriting()
    }
}
