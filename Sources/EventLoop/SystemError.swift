import Glibc

/// A system call that failed for a reason outside the program: the call and its `errno` (or `getaddrinfo` message).
public struct SystemError: Error, Equatable, CustomStringConvertible {
    /// The name of the call, as in its manual page.
    public let call: String
    /// The error number, 0 where the call has its own kind of error.
    public let code: Int32
    /// The system's words for it.
    public let reason: String

    public var description: String { "\(call): \(reason)" }
}

/// Why a socket's read or write ended without doing its work.
public enum SocketError: Error, Equatable {
    /// This side closed the socket, before or while the call waited.
    case closed
    /// The peer is gone: the connection was reset or can no longer be written to.
    case reset
    /// The deadline passed while the call waited.
    case timedOut
    /// Any other error number.
    case system(Int32)

    init(code: Int32) {
        switch code {
        case ECONNRESET, EPIPE, ENOTCONN, ETIMEDOUT: self = .reset
        default: self = .system(code)
        }
    }
}
