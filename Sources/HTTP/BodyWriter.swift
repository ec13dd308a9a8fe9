/// Sends the content of a streamed reply piece by piece.
public struct BodyWriter: ~Copyable {
    private let connection: Connection
    private let isChunked: Bool

    init(_ connection: Connection, isChunked: Bool) {
        self.connection = connection
        self.isChunked = isChunked
    }

    /// Sends one piece at once and returns when the kernel has all of it: a slow client slows its writer.
    /// - Throws: `clientGone` when the connection is dead, or when the client takes nothing for `HTTPLimits.writeTime`.
    public func write(_ bytes: [UInt8]) async throws(HTTPError) {
        connection.sentContent += bytes.count
        if bytes.isEmpty { return }  // An empty chunk would end the content (RFC 9112 §7.1).
        guard isChunked else { return try await connection.send(bytes) }
        connection.output.append(String(bytes.count, radix: 16))
        connection.output.append("\r\n")
        guard bytes.count > 16 << 10 else {
            connection.output.append(contentsOf: bytes)
            connection.output.append("\r\n")
            return try await connection.flush()
        }
        try await connection.flush(more: true)
        try await connection.send(bytes, more: true)
        connection.output.append("\r\n")
        try await connection.flush()
    }

    /// Sends one piece of text.
    public func write(_ text: String) async throws(HTTPError) {
        try await write(Array(text.utf8))
    }

    /// Marks the content as complete.
    public consuming func finish() async throws(HTTPError) {
        if isChunked {
            connection.output.append("0\r\n\r\n")
            try await connection.flush()
        }
        connection.streamIsFinished = true
    }
}
