import API
import EventLoop
import FoundationEssentials
import Glibc
import HTTP
import Logging

/// Where the server listens, and what it says about that.
struct Doors {
    let doors: [HTTPServer.Door]
    private let network: NetworkSettings
    /// Whether whoever started the program holds the sockets as well: then clients are better kept waiting until the
    /// models are there than sent away.
    let areInherited: Bool

    /// Sockets that systemd has opened before the start (sd_listen_fds(3)) take the place of the address and the port.
    init(
        _ network: NetworkSettings, _ gate: Gate, _ tls: TLSConfiguration?, _ log: Logger
    ) throws(Failure) {
        self.network = network
        let descriptors = try Self.inheritedDescriptors(log)
        areInherited = !descriptors.isEmpty
        let router = gate.router(network.adminPort == nil ? .everything : .withoutMetrics)
        var addresses = descriptors.map { ListenAddress.inherited(descriptor: $0) }
        if let path = network.path {
            addresses.append(.unix(path: path))
        } else if addresses.isEmpty {
            addresses.append(.tcp(host: network.host, port: network.port))
        }
        var doors = addresses.map { HTTPServer.Door($0, router, tls: tls) }
        if let port = network.adminPort {
            doors.append(HTTPServer.Door(.tcp(host: network.host, port: port), gate.router(.admin)))
        }
        self.doors = doors
    }

    /// The descriptors from 3 on that the environment announces. Whether they are listening sockets shows when they are
    /// listened at.
    private static func inheritedDescriptors(_ log: Logger) throws(Failure) -> [Int32] {
        let environment = ProcessInfo.processInfo.environment
        guard let text = environment["LISTEN_FDS"] else { return [] }
        guard environment["LISTEN_PID"] == String(getpid()) else {
            let process = environment["LISTEN_PID"] ?? "none"
            log.warning("LISTEN_FDS is ignored: LISTEN_PID is \(process), and this process is \(getpid())")
            return []
        }
        guard let count = Int32(text), (0...1024).contains(count) else {
            throw Failure("LISTEN_FDS must be the number of inherited sockets, from 0 to 1024, not \"\(text)\"")
        }
        // They are not for programs that this one might start.
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsafe unsetenv(name) }
        return (3..<3 + count).map { $0 }
    }

    /// Lines that tell clients where to go.
    func lines(ports: [Int]) -> [String] {
        let scheme = network.tls == nil ? "http" : "https"
        let host = network.host.contains(":") ? "[\(network.host)]" : network.host
        return zip(doors.indices, ports).map { index, port in
            if network.adminPort != nil, index == doors.count - 1 {
                return "scanstep: metrics on http://\(host):\(port)/metrics"
            }
            if case .unix(let path) = doors[index].address { return "scanstep: listening on unix:\(path)" }
            return "scanstep: listening on " + (port == 0 ? "an inherited socket" : "\(scheme)://\(host):\(port)")
        }
    }
}
