/// A failure with a status of its own; what it looks like on the wire is the `ErrorResponder`'s business.
public struct HTTPError: Error, Sendable {
    public let status: HTTPStatus
    /// A stable name for programs, of lower-case words and hyphens, such as `head-too-large`.
    public let slug: String
    /// A sentence for people about this occurrence.
    public let detail: String
    /// Fields that the reply must carry, such as `Allow`.
    public var fields: HeaderFields
    /// The bound that was passed, where there is one to tell, in its own unit.
    public var limit: Int?

    public init(
        _ status: HTTPStatus, _ slug: String, _ detail: String, fields: HeaderFields = HeaderFields(),
        limit: Int? = nil
    ) {
        self.status = status
        self.slug = slug
        self.detail = detail
        self.fields = fields
        self.limit = limit
    }

    /// The client can no longer be written to or read from; no reply will reach it.
    public static let clientGone = HTTPError(.clientGone, "client-gone", "The client has closed the connection.")

    /// What a client is told of an error that no one expected.
    public static let unexpected = HTTPError(
        .internalServerError, "internal", "The server failed to handle the request.")
}

/// An error of a handler that knows the reply it is to have.
public protocol RespondingError: Error {
    var response: Response { get }
}

/// What is known of the request that failed.
public struct ErrorContext: Sendable {
    /// The id that the reply will carry as `X-Request-Id`.
    public let requestID: String
    /// The request's head; nil where it could not be parsed.
    public let head: RequestHead?
}

/// Renders an error as a reply; called on the connection's loop.
public typealias ErrorResponder = @Sendable (HTTPError, ErrorContext) -> Response
