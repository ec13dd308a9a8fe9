import EventLoop

/// A request and its reply, once that is complete or was cut off.
public struct Exchange: Sendable {
    /// Nil where its head could not be read.
    let request: Request?
    public let status: HTTPStatus
    public let peer: PeerAddress
    /// Whether it came by TLS.
    public let isSecure: Bool
    /// Bytes of content, as the network has them but for their framing.
    public let received: Int
    public let sent: Int
    /// Since the head was complete.
    public let duration: Duration
    /// The part of that until the first bytes of a reply that is made while it is sent; nil for other replies.
    public let streamBegan: Duration?
    /// Whether all of the reply was handed to the kernel.
    public let isComplete: Bool
    let identifier: RequestIdentifier

    /// Nil where it could not be read.
    public var head: RequestHead? { request?.head }
    /// The route that was found; nil where there is none.
    public var route: Route? { request?.route }
    /// Who asked, as the handler has found out.
    public var user: (any AnyObject & Sendable)? { request?.user }

    /// The id that the reply carries as `X-Request-Id`.
    public var requestID: String { identifier.text(head) }
}

/// Hooks for logs and metrics; called on the connections' loops, so they must be quick and must not block.
public struct HTTPObserver: Sendable {
    /// A handler threw something other than an `HTTPError`; the client is told 500.
    public var failed: (@Sendable (any Error, ErrorContext) -> Void)?
    /// A reply is complete or was cut off.
    public var replied: (@Sendable (Exchange) -> Void)?

    public init(
        failed: (@Sendable (any Error, ErrorContext) -> Void)? = nil,
        replied: (@Sendable (Exchange) -> Void)? = nil
    ) {
        self.failed = failed
        self.replied = replied
    }
}
