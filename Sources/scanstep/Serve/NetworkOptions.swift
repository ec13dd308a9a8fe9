import ArgumentParser
import EventLoop
import HTTP

/// Where clients come in, and which.
struct NetworkOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The address or host name to listen on; 0.0.0.0 and :: let other machines in, which wants --api-keys \
            and --tls-cert (default: 127.0.0.1, this machine alone).
            """, valueName: "address"))
    var host: String?

    @Option(
        help: ArgumentHelp(
            """
            The TCP port to listen on; 0 takes a free one, which the first line of the output names (default: \
            8080).
            """, valueName: "port"))
    var port: Int?

    @Option(
        help: ArgumentHelp(
            """
            A socket of the file system to listen on instead of --host and --port, as in \
            unix:/run/scanstep.sock.
            """, valueName: "unix:PATH"))
    var listen: String?

    @Option(
        help: ArgumentHelp(
            """
            A second port of the same host for /metrics, /livez and /readyz, without TLS and keys; /metrics is \
            then there only.
            """, valueName: "port"))
    var adminPort: Int?

    @Option(
        help: ArgumentHelp(
            """
            Threads that read requests and write replies. One serves tens of thousands of requests a second; \
            more help with many connections or large bodies (default: 1).
            """, valueName: "count"))
    var loops: Int?

    @Option(
        help: ArgumentHelp(
            """
            A PEM file with the server's certificate, followed by the intermediate certificates that lead to its \
            authority (a full chain). With it and --tls-key the server speaks HTTPS instead of HTTP.
            """, valueName: "file"))
    var tlsCert: String?

    @Option(
        help: ArgumentHelp(
            "A PEM file with the private key of --tls-cert, without a pass phrase.", valueName: "file"))
    var tlsKey: String?

    @Option(
        help: ArgumentHelp(
            """
            A PEM file with the certificates of authorities. With it every client must show a certificate that \
            one of them has signed (mutual TLS), or its connection is refused; without it clients show none. \
            Needs --tls-cert.
            """, valueName: "file"))
    var tlsClientCa: String?

    @Option(
        help: ArgumentHelp(
            """
            A file of API keys, which `scanstep keys add` makes. With it each request needs one of them; without \
            it everybody who reaches the server may use it.
            """, valueName: "file"))
    var apiKeys: String?

    @Option(
        help: ArgumentHelp(
            """
            The origins of web pages whose scripts may call this server, separated by commas, exactly as \
            browsers send them: a scheme, a host in lower case and perhaps a port, as in \
            https://lab.example,http://localhost:3000. Or * for all (default: none).
            """, valueName: "origins"))
    var corsOrigins: String?
}

/// The same, with defaults.
struct NetworkSettings {
    let host: String
    let port: Int
    /// A path to listen at instead.
    let path: String?
    let adminPort: Int?
    let loops: Int
    /// Nil for plain HTTP.
    let tls: TLSFiles?
    let apiKeys: String?
    let crossOrigin: CrossOrigin?

    init(_ options: NetworkOptions, _ reader: SettingReader) throws(ValidationError) {
        host = try reader.path(options.host, "host") ?? "127.0.0.1"
        port = try reader.number(options.port, "port", 0...65_535) ?? 8080
        path = try reader.value(options.listen, "listen", "unix: and a path") { text in
            text.hasPrefix("unix:") && text.count > 5 ? String(text.dropFirst(5)) : nil
        }
        adminPort = try reader.number(options.adminPort, "admin-port", 0...65_535)
        loops = try reader.number(options.loops, "loops", 1...256) ?? 1
        let certificate = try reader.path(options.tlsCert, "tls-cert")
        let key = try reader.path(options.tlsKey, "tls-key")
        let authority = try reader.path(options.tlsClientCa, "tls-client-ca")
        switch (certificate, key) {
        case (let certificate?, let key?):
            tls = TLSFiles(certificate: certificate, key: key, clientAuthority: authority)
        case (nil, nil) where authority == nil: tls = nil
        default:
            throw ValidationError("--tls-cert and --tls-key must be given together, and --tls-client-ca with both.")
        }
        apiKeys = try reader.path(options.apiKeys, "api-keys")
        crossOrigin = try Self.crossOrigin(reader.text(options.corsOrigins, "cors-origins"))
    }

    /// An origin that would never match is a mistake that shows only in a browser.
    private static func crossOrigin(_ text: String?) throws(ValidationError) -> CrossOrigin? {
        guard let text else { return nil }
        let origins =
            text.allSatisfy { $0 == " " }
            ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map(\.trimmingBlanks)
        if let flaw = CrossOrigin.flaw(of: origins) { throw ValidationError("--cors-origins: \(flaw).") }
        return CrossOrigin(origins: origins)
    }
}

extension Substring {
    fileprivate var trimmingBlanks: String {
        var text = drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
