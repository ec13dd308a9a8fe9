/// A reply; the connection adds framing, `Date`, `Server` and `X-Request-Id`.
public struct Response: Sendable {
    /// The content of a reply.
    public enum Body: Sendable {
        case empty
        case bytes([UInt8])
        /// Content made while it is sent. The closure runs on the connection's task after the head went out, may still
        /// read the request's body, and ends with `finish()`; if it throws or returns without that, the connection is
        /// cut so that the client sees the truncation. Not called for HEAD.
        case stream(@Sendable (consuming BodyWriter) async throws -> Void)
    }

    public var status: HTTPStatus
    /// `Content-Length`, `Transfer-Encoding`, `Date`, `Server` and `X-Request-Id` among these are ignored;
    /// `Connection: close` closes.
    public var fields: HeaderFields
    public var body: Body
    /// Bytes that a stream holds until it has been sent, where they are many.
    public var heldBytes = 0

    public init(_ status: HTTPStatus = .ok, fields: HeaderFields = HeaderFields(), body: Body = .empty) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    /// A reply of bytes of a media type.
    public init(_ status: HTTPStatus = .ok, type: String, _ bytes: [UInt8]) {
        self.init(status, fields: ["content-type": type], body: .bytes(bytes))
    }

    /// A reply of plain text.
    public init(_ status: HTTPStatus = .ok, text: String) {
        self.init(status, type: "text/plain; charset=utf-8", Array(text.utf8))
    }
}
