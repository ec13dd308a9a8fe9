/// Where a server takes connections.
public enum ListenAddress: Sendable, Hashable {
    /// A host, an IPv4 or IPv6 literal or a name, and a port, 0 for a free one.
    case tcp(host: String, port: Int)
    /// A path of the file system.
    case unix(path: String)
    /// A socket that listens already, given by who started the program, who may go on listening at it.
    case inherited(descriptor: Int32)
}

extension ListenAddress: CustomStringConvertible {
    /// As in messages: `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/x.sock`, `inherited descriptor 3`.
    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        case .inherited(let descriptor): "inherited descriptor \(descriptor)"
        }
    }
}
