import ArgumentParser
import EventLoop
import HTTP

/// Where clients come in, and which.
struct NetworkOptions: ParsableArguments {
    @Option(help: "Address to listen on (default: 127.0.0.1).")
    var host: String?

    @Option(help: "Port to listen on; 0 takes a free one (default: 8080).")
    var port: Int?

    @Option(help: "Listen at unix:PATH, a socket of the file system, instead of an address and a port.")
    var listen: String?

    @Option(help: "A port of the same address for /metrics, /livez and /readyz; /metrics is then there only.")
    var adminPort: Int?

    @Option(help: "Threads that serve connections (default: 1).")
    var loops: Int?

    @Option(help: "Certificate for TLS, with those that lead to it, in PEM; needs --tls-key.")
    var tlsCert: String?

    @Option(help: "The certificate's key, in PEM.")
    var tlsKey: String?

    @Option(help: "Certificates, in PEM, of whom clients' certificates must be; without it clients need none.")
    var tlsClientCa: String?

    @Option(help: "File of API keys, as `scanstep keys add` makes it; without it everybody may call.")
    var apiKeys: String?

    @Option(help: "Origins whose pages may call from a browser, separated by commas, or * for all (default: none).")
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
        host = reader.text(options.host, "host") ?? "127.0.0.1"
        port = try reader.number(options.port, "port", 0...65_535) ?? 8080
        path = try reader.value(reader.path(options.listen, "listen"), "listen", "unix: and a path") { text in
            text.hasPrefix("unix:") && text.count > 5 ? String(text.dropFirst(5)) : nil
        }
        adminPort = try reader.number(options.adminPort, "admin-port", 0...65_535)
        loops = try reader.number(options.loops, "loops", 1...256) ?? 1
        let certificate = reader.path(options.tlsCert, "tls-cert")
        let key = reader.path(options.tlsKey, "tls-key")
        let authority = reader.path(options.tlsClientCa, "tls-client-ca")
        switch (certificate, key) {
        case (let certificate?, let key?):
            tls = TLSFiles(certificate: certificate, key: key, clientAuthority: authority)
        case (nil, nil) where authority == nil: tls = nil
        default:
            throw ValidationError("--tls-cert and --tls-key must be given together, and --tls-client-ca with both.")
        }
        apiKeys = reader.path(options.apiKeys, "api-keys")
        crossOrigin = try Self.crossOrigin(reader.path(options.corsOrigins, "cors-origins"))
    }

    /// An origin that would never match is a mistake that shows only in a browser.
    private static func crossOrigin(_ text: String?) throws(ValidationError) -> CrossOrigin? {
        guard let text else { return nil }
        let origins = text.split(separator: ",", omittingEmptySubsequences: false).map(\.trimmingBlanks)
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
