import ArgumentParser
import HTTP

/// Bounds that the server sets on its clients.
struct LimitOptions: ParsableArguments {
    @Option(help: "Largest request body (default: 16MiB).")
    var maxBody: String?

    @Option(help: "Largest head of a request, its line and fields together (default: 16KiB).")
    var maxHead: String?

    @Option(help: "Most header fields of a request (default: 100).")
    var maxHeaders: Int?

    @Option(help: "Most connections at once (default: 10000).")
    var maxConnections: Int?

    @Option(help: "Most connections at once from one address, or none (default: none).")
    var maxConnectionsPerAddress: String?

    @Option(help: "Most requests of one connection, or none (default: none).")
    var maxRequestsPerConnection: String?

    @Option(help: "How long a connection may be silent between requests (default: 75s).")
    var idleTimeout: String?

    @Option(help: "How long the head of a request, or a TLS handshake, may take (default: 10s).")
    var headTimeout: String?

    @Option(help: "How long each wait for more of a body may take (default: 30s).")
    var bodyTimeout: String?

    @Option(help: "Least of a body that must come each second, on average, once that time has passed (default: 1KiB).")
    var minBodyRate: String?

    @Option(help: "How long a client may take nothing of a reply (default: 30s).")
    var writeTimeout: String?

    @Option(help: "How long a duplex stream may wait for its next line (default: 5m).")
    var streamIdleTimeout: String?

    @Option(help: "How long running requests may go on after SIGTERM, as in 30s or 500ms (default: 30s).")
    var drainTimeout: String?
}

/// The same, with defaults.
struct LimitSettings {
    let http: HTTPLimits
    let drainTimeout: Duration

    init(_ options: LimitOptions, _ reader: SettingReader) throws(ValidationError) {
        var http = HTTPLimits()
        func set<T>(_ value: T?, _ path: WritableKeyPath<HTTPLimits, T>) {
            if let value { http[keyPath: path] = value }
        }
        func count(_ option: String?, _ name: String) throws(ValidationError) -> Int? {
            try reader.bound(option, name, "a whole number from 1") { Int($0).flatMap { $0 > 0 ? $0 : nil } }?.value
        }
        set(try reader.size(options.maxBody, "max-body"), \.bodyBytes)
        set(try reader.size(options.maxHead, "max-head"), \.headBytes)
        http.targetBytes = min(http.targetBytes, http.headBytes)
        set(try reader.number(options.maxHeaders, "max-headers", 1...10_000), \.fields)
        set(try reader.number(options.maxConnections, "max-connections", 1...1_000_000), \.connections)
        http.connectionsPerAddress = try count(options.maxConnectionsPerAddress, "max-connections-per-address")
        http.requestsPerConnection = try count(options.maxRequestsPerConnection, "max-requests-per-connection")
        set(try reader.time(options.idleTimeout, "idle-timeout"), \.idleTime)
        set(try reader.time(options.headTimeout, "head-timeout"), \.headTime)
        set(try reader.time(options.bodyTimeout, "body-timeout"), \.bodyTime)
        set(try reader.size(options.minBodyRate, "min-body-rate"), \.bodyRate)
        set(try reader.time(options.writeTimeout, "write-timeout"), \.writeTime)
        set(try reader.time(options.streamIdleTimeout, "stream-idle-timeout"), \.streamIdleTime)
        self.http = http
        drainTimeout =
            try reader.value(options.drainTimeout, "drain-timeout", "a time such as 30s", SettingReader.duration)
            ?? .seconds(30)
    }
}
