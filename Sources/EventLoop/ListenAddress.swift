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
        case .tcp(let host, _): host == "localhost" || host.hasPrefix("127.") || Self.isLoopback(v6: host)
        case .unix: true
        case .inherited(let descriptor): Syscall.isLocal(descriptor)
        }
    }

    /// ::1, and IPv4's loopback addresses as IPv6 maps them (RFC 4291 §2.5), however they are spelled.
    private static func isLoopback(v6 host: String) -> Bool {
        guard let groups = NumericAddress.v6(host) else { return false }
        if groups == [0, 0, 0, 0, 0, 0, 0, 1] { return true }
        return groups[..<5].allSatisfy { $0 == 0 } && groups[5] == 0xFFFF && groups[6] >> 8 == 127
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
