import ArgumentParser
import HTTP

/// Bounds that the server sets on its clients.
struct LimitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The largest body of a request; larger ones are refused with 413 (default: 16MiB).", valueName: "size"))
    var maxBody: String?

    @Option(
        help: ArgumentHelp(
            """
            The largest head of a request, its first line and all its header fields together; larger ones are \
            refused with 431 (default: 16KiB).
            """, valueName: "size"))
    var maxHead: String?

    @Option(help: ArgumentHelp("The most header fields of a request (default: 100).", valueName: "count"))
    var maxHeaders: Int?

    @Option(
        help: ArgumentHelp(
            """
            The most connections at once; further ones are answered 503 and closed (default: 10000).
            """, valueName: "count"))
    var maxConnections: Int?

    @Option(
        help: ArgumentHelp(
            "The most connections at once from one address, or none (default: none).", valueName: "count"))
    var maxConnectionsPerAddress: String?

    @Option(
        help: ArgumentHelp(
            """
            The most requests of one connection, after which the server closes it, or none (default: none).
            """, valueName: "count"))
    var maxRequestsPerConnection: String?

    @Option(
        help: ArgumentHelp(
            """
            How long a connection may stay open without a request before the server closes it (default: 75s).
            """, valueName: "time"))
    var idleTimeout: String?

    @Option(
        help: ArgumentHelp(
            """
            How long a client may take to send the head of a request, or for a TLS handshake, before it gets 408 \
            (default: 10s).
            """, valueName: "time"))
    var headTimeout: String?

    @Option(
        help: ArgumentHelp(
            """
            How long a client may pause while it sends a body, before it gets 408 (default: 30s).
            """, valueName: "time"))
    var bodyTimeout: String?

    @Option(
        help: ArgumentHelp(
            """
            How many bytes a second a body must come with at least, on average since its beginning, once it has \
            taken longer than --body-timeout; a slower one is refused with 408, so that a client that sends byte \
            by byte cannot hold a connection without end. Less is for slow links (default: 1KiB).
            """, valueName: "size"))
    var minBodyRate: String?

    @Option(
        help: ArgumentHelp(
            """
            How long a client may read nothing of a reply that is being sent to it before its connection is \
            closed; a client that reads slowly but steadily is never cut off. More is for clients that pause in \
            a stream (default: 30s).
            """, valueName: "time"))
    var writeTimeout: String?

    @Option(
        help: ArgumentHelp(
            """
            How long a duplex stream (POST /v1/sessions/{id}/stream) may wait for its client's next line before \
            the server ends it (default: 5m).
            """, valueName: "time"))
    var streamIdleTimeout: String?

    @Option(
        help: ArgumentHelp(
            """
            How long requests that are running may go on after SIGTERM, as in 30s or 500ms, before they are cut \
            off (default: 30s).
            """, valueName: "time"))
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
        set(try reader.size(options.maxBody, "max-body", like: "16MiB"), \.bodyBytes)
        set(try reader.size(options.maxHead, "max-head", like: "16KiB"), \.headBytes)
        http.targetBytes = min(http.targetBytes, http.headBytes)
        set(try reader.number(options.maxHeaders, "max-headers", 1...10_000), \.fields)
        set(try reader.number(options.maxConnections, "max-connections", 1...1_000_000), \.connections)
        http.connectionsPerAddress = try count(options.maxConnectionsPerAddress, "max-connections-per-address")
        http.requestsPerConnection = try count(options.maxRequestsPerConnection, "max-requests-per-connection")
        set(try reader.time(options.idleTimeout, "idle-timeout"), \.idleTime)
        set(try reader.time(options.headTimeout, "head-timeout"), \.headTime)
        set(try reader.time(options.bodyTimeout, "body-timeout"), \.bodyTime)
        set(try reader.size(options.minBodyRate, "min-body-rate", like: "1KiB"), \.bodyRate)
        set(try reader.time(options.writeTimeout, "write-timeout"), \.writeTime)
        set(try reader.time(options.streamIdleTimeout, "stream-idle-timeout"), \.streamIdleTime)
        self.http = http
        drainTimeout =
            try reader.value(
                options.drainTimeout, "drain-timeout", SettingReader.times(like: "30s"),
                largest: SettingReader.largestDuration, SettingReader.duration)
            ?? .seconds(30)
    }
}
