/// Every bound that the server sets on its clients, in bytes, counts or durations.
public struct HTTPLimits: Sendable {
    /// Bytes of a request's head, request line and fields together; more is 431.
    public var headBytes = 16 << 10
    /// Bytes of a request's target; more is 414.
    public var targetBytes = 8 << 10
    /// Number of a request's header fields; more is 431.
    public var fields = 100
    /// Bytes of a body collected by `Request.body()` where the route names no limit of its own; more is 413.
    public var bodyBytes = 16 << 20
    /// Bytes of all chunk extensions of one body; more is 400.
    public var chunkExtensionBytes = 4 << 10
    /// Bytes of the trailer section of one chunked body; more is 431.
    public var trailerBytes = 8 << 10
    /// Bytes of a body that a handler left unread that are read and dropped to keep the connection.
    public var unreadBodyBytes = 64 << 10
    /// Connections open at once; further ones are answered 503 and closed.
    public var connections = 10_000
    /// Connections open at once from one IPv4 address or IPv6 network of 64 bits; further ones are answered 429 and
    /// closed. Nil for no bound but that of all.
    public var connectionsPerAddress: Int?
    /// Requests that one connection may make; the last is answered with `Connection: close`. Nil for no bound.
    public var requestsPerConnection: Int?
    /// How long a connection may stay silent between requests before it is closed.
    public var idleTime = Duration.seconds(75)
    /// How long a request's head may take from its first byte; longer is 408. The TLS handshake may take as long.
    public var headTime = Duration.seconds(10)
    /// How long each wait for more of a body may take; longer is 408.
    public var bodyTime = Duration.seconds(30)
    /// Bytes a second that a body which is collected must come with on average once `bodyTime` has passed; slower is
    /// 408. Handlers that read it bit by bit wait as long as they like.
    public var bodyRate = 1 << 10
    /// How long a stream that reads the request's body may wait for more of it.
    public var streamIdleTime = Duration.seconds(300)
    /// How long each wait for the client to take more of a reply may last before the connection is dropped.
    public var writeTime = Duration.seconds(30)
    /// Bytes of large replies that may wait for their readers, all connections together; each loop has its share. Beyond
    /// that the reader that has kept its reply waiting for longest is dropped.
    public var unsentBytes = 256 << 20
    /// How long a handler may take before a client that has finished sending is asked whether it is still there.
    public var probeDelay = Duration.milliseconds(5)
    /// How long a closing connection still reads and drops what arrives, so that the client can read the last reply.
    public var lingerTime = Duration.seconds(2)

    public init() {}
}
