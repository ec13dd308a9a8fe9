import EventLoop

/// One loop's connections and what they share there.
///
/// `@unchecked Sendable`: used on its loop's thread only.
final class Shard: @unchecked Sendable {
    let loop: EventLoop
    var encoder = ResponseEncoder()
    private var connections: [ObjectIdentifier: Connection] = [:]
    private var identifiers = UInt64.random(in: .min ... .max)

    let unsent: UnsentReplies

    /// - Parameter unsentBytes: of replies that may wait for their readers.
    init(_ loop: EventLoop, unsentBytes: Int) {
        self.loop = loop
        unsent = UnsentReplies(limit: unsentBytes)
    }

    /// The next request id: an odd step visits all 64-bit numbers, and the mixing makes neighbours look unlike.
    func nextIdentifier() -> UInt64 {
        identifiers &+= 0x9e37_79b9_7f4a_7c15
        var mixed = identifiers
        mixed = (mixed ^ mixed >> 32) &* 0xd6e8_feb8_6659_fd93
        return mixed ^ mixed >> 32
    }

    /// Starts the task of a connection that was accepted for this loop.
    func open(_ socket: Socket, _ endpoint: Endpoint, _ server: ServerContext) {
        let connection = Connection(socket, endpoint: endpoint, server: server, shard: self)
        connections[ObjectIdentifier(connection)] = connection
        connection.task = Task(executorPreference: loop) {
            await connection.serve()
            self.connections[ObjectIdentifier(connection)] = nil
            server.closed(socket.peer)
        }
    }

    func drain() {
        for connection in connections.values { connection.drain() }
    }

    func abort() {
        for connection in connections.values { connection.abort() }
    }
}
