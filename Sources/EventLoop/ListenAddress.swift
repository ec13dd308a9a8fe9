/// Where a server takes connections.
public enum ListenAddress: Sendable, Hashable {
    /// A host, an IPv4 or IPv6 literal or a name, and a port, 0 for a free one.
    case tcp(host: String, port: Int)
    /// A path of the file system.
    case unix(path: String)
    /// A socket that listens already, given by who started the program, who may go on listening at it.
    case inherited(descriptor: Int32)

    /// Whether only this machine reaches it: a loopback address, or a path. Of names only `localhost` is taken to be one.
    public var isLocal: Bool {
        switch self {
        case .tcp(let host, _): host == "localhost" || host == "::1" || host.hasPrefix("127.")
        case .unix: true
        case .inherited(let descriptor): Syscall.isLocal(descriptor)
        }
    }
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
