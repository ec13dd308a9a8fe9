import API
import EventLoop
import FoundationEssentials
import Glibc
import HTTP
import JSON
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

    /// What is missing where other machines may reach the doors; nil where nothing is.
    var warning: String? {
        if doors.allSatisfy(\.address.isLocal) { return nil }
        let anybody = "anybody who reaches this server can use it, and read and move every session"
        let clear = "keys, inputs and states cross the network in clear text"
        // Who must show a certificate is known without a key.
        switch (hasKeys: network.apiKeys != nil || network.tls?.clientAuthority != nil, hasTLS: network.tls != nil) {
        case (true, true): return nil
        case (false, true): return "listening beyond loopback without --api-keys: \(anybody)"
        case (true, false): return "listening beyond loopback without --tls-cert and --tls-key: \(clear)"
        case (false, false):
            return "listening beyond loopback without --api-keys and without --tls-cert and --tls-key: \(anybody)"
        }
    }

    /// Lines that tell where the doors are: words, or a JSON object with them as `message` and the place as `address`.
    func lines(ports: [Int], _ format: LogSettings.Format) -> [String] {
        places(ports: ports).map { words, address in
            let message = "scanstep: \(words) \(address)"
            guard format == .json else { return message }
            var json = JSONWriter()
            json.beginObject()
            json.field("time", timestamp(secondsSince1970()))
            json.field("level", "info")
            json.field("message", message)
            json.field("address", address)
            json.endObject()
            return String(decoding: json.bytes, as: UTF8.self)
        }
    }

    private func places(ports: [Int]) -> [(words: String, address: String)] {
        let scheme = network.tls == nil ? "http" : "https"
        let host = network.host.contains(":") ? "[\(network.host)]" : network.host
        return zip(doors.indices, ports).map { index, port in
            if network.adminPort != nil, index == doors.count - 1 {
                return ("metrics on", "http://\(host):\(port)/metrics")
            }
            if case .unix(let path) = doors[index].address { return ("listening on", "unix:\(path)") }
            return ("listening on", port == 0 ? "an inherited socket" : "\(scheme)://\(host):\(port)")
        }
    }
}
