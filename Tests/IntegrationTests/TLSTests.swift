import CCurl
import Foundation
import TestSupport
import Testing

@Suite("TLS")
struct TLSTests {
    /// An authority and what it has signed, made by the openssl program.
    struct Certificates {
        let folder = TemporaryFolder()
        var authority: String { folder.path + "/ca.pem" }

        init() throws {
            try run(
                [
                    "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=ca", "-keyout", path("ca.key"), "-out",
                    authority,
                ]
                    + Self.newKey)
        }

        private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]

        func path(_ name: String) -> String { folder.path + "/" + name }

        private func run(_ arguments: [String]) throws {
            let program = try FinishedProgram(arguments, executable: URL(fileURLWithPath: "/usr/bin/openssl"))
            try #require(program.status == 0, "\(program.errors)")
        }

        /// Makes `name`.pem and `name`.key for the loopback address.
        func sign(_ name: String, serial: Int) throws {
            folder.write("extensions", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
            try run(
                ["req", "-nodes", "-subj", "/CN=\(name)", "-keyout", path(name + ".key"), "-out", path("request")]
                    + Self.newKey)
            try run([
                "x509", "-req", "-in", path("request"), "-CA", authority, "-CAkey", path("ca.key"), "-days", "2",
                "-set_serial", "\(serial)", "-extfile", path("extensions"), "-out", path(name + ".pem"),
            ])
        }
    }

    private func server(_ certificates: Certificates, _ more: [String] = []) throws -> ServerProcess {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        return try ServerProcess(
            serving: folder,
            ["--tls-cert", certificates.path("server.pem"), "--tls-key", certificates.path("server.key")] + more)
    }

    private func client(_ server: ServerProcess, _ tls: HTTPClient.TLS) -> HTTPClient {
        HTTPClient(HTTPClient.Route(origin: "https://127.0.0.1:\(server.port)", tls: tls))
    }

    @Test("requests, large bodies and streams go as they do without it, by TLS 1.2 and 1.3") func versions() throws {
        let certificates = try Certificates()
        try certificates.sign("server", serial: 1)
        let server = try server(certificates)
        #expect(server.outputText.hasPrefix("scanstep: listening on https://127.0.0.1:"))
        for version in [CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_TLSv1_3] {
            let highest = version == CURL_SSLVERSION_TLSv1_2 ? CURL_SSLVERSION_MAX_TLSv1_2 : CURL_SSLVERSION_MAX_TLSv1_3
            let tls = HTTPClient.TLS(
                authority: certificates.authority, version: version | highest)
            let client = client(server, tls)
            let id = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
            let text = String(repeating: "abcdefgh", count: 40_000)
            let reply = try client.post("/v1/sessions/\(id)/prefill", "{\"text\":\"\(text)\"}")
            #expect(try reply.int("step") == 320_000 && reply.newConnections == 0)
            let all = try client.act(
                "prefill", on: id, "\"text\":\"\(text.prefix(8000))\",\"return\":\"all\",\"logits\":true")
            #expect(all.body.count > 1 << 20)
            let streamed = try client.act("generate", on: id, #""max_tokens":2000,"seed":1,"stream":true"#)
            #expect(try Generation(streamed: streamed).tokens.count == 2000)
            #expect(streamed.newConnections == 0)
        }
        #expect(server.terminate() == 0)
    }

    @Test("TLS 1.1 is refused, a client that speaks plain HTTP is told, and nobody else notices") func refusals() throws
    {
        let certificates = try Certificates()
        try certificates.sign("server", serial: 1)
        let server = try server(certificates)
        let old = HTTPClient.TLS(
            authority: certificates.authority,
            version: CURL_SSLVERSION_TLSv1_1 | CURL_SSLVERSION_MAX_TLSv1_1)
        #expect(throws: HTTPClientError.self) { try client(server, old).get("/livez") }
        let plain = try RawSocket(port: server.port)
        try plain.send("GET /livez HTTP/1.1\r\nHost: t\r\n\r\n")
        #expect(try plain.readUntilClose().hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
        let noise = try RawSocket(port: server.port)
        try noise.send([UInt8](repeating: 0x16, count: 4000))
        _ = try noise.readUntilClose()
        // One whose handshake hangs does not keep the server from ending.
        let silent = try RawSocket(port: server.port)
        try silent.send([0x16, 3, 1])
        let protocols = try FinishedProgram(
            ["s_client", "-connect", "127.0.0.1:\(server.port)", "-alpn", "h2", "-brief"],
            executable: URL(fileURLWithPath: "/usr/bin/openssl"))
        #expect(protocols.errors.contains("alert no application protocol"), "\(protocols.errors)")
        let agreed = try FinishedProgram(
            ["s_client", "-connect", "127.0.0.1:\(server.port)", "-alpn", "h2,http/1.1"],
            executable: URL(fileURLWithPath: "/usr/bin/openssl"))
        #expect(agreed.output.contains("ALPN protocol: http/1.1"), "\(agreed.output)")
        #expect(try client(server, HTTPClient.TLS(authority: certificates.authority)).get("/livez").status == 200)
        #expect(server.terminate() == 0)
        _ = silent
    }

    @Test("clients must show a certificate where they are asked for one") func clientCertificates() throws {
        let certificates = try Certificates()
        try certificates.sign("server", serial: 1)
        try certificates.sign("ada", serial: 2)
        let strangers = try Certificates()
        try strangers.sign("eve", serial: 2)
        let server = try server(certificates, ["--tls-client-ca", certificates.authority])
        var tls = HTTPClient.TLS(authority: certificates.authority)
        #expect(throws: HTTPClientError.self) { try client(server, tls).get("/livez") }
        tls.client = (strangers.path("eve.pem"), strangers.path("eve.key"))
        #expect(throws: HTTPClientError.self) { try client(server, tls).get("/livez") }
        tls.client = (certificates.path("ada.pem"), certificates.path("ada.key"))
        #expect(try client(server, tls).get("/livez").status == 200)
        #expect(server.terminate() == 0)
    }

    @Test("SIGHUP takes new certificates for new connections, and none that cannot be used") func reload() throws {
        let certificates = try Certificates()
        try certificates.sign("server", serial: 1)
        let server = try server(certificates)
        let kept = client(server, HTTPClient.TLS(authority: certificates.authority))
        #expect(try kept.get("/livez").status == 200)
        func serial() throws -> String {
            let program = try FinishedProgram(
                ["s_client", "-connect", "127.0.0.1:\(server.port)", "-showcerts"],
                executable: URL(fileURLWithPath: "/usr/bin/openssl"))
            let file = certificates.folder.write("seen.pem", program.output)
            let shown = try FinishedProgram(
                ["x509", "-in", file, "-noout", "-serial"], executable: URL(fileURLWithPath: "/usr/bin/openssl"))
            return shown.output
        }
        #expect(try serial() == "serial=01\n")
        try certificates.sign("server", serial: 2)
        server.send(signal: SIGHUP)
        #expect(server.waitForError("certificate read again"))
        #expect(try serial() == "serial=02\n")
        let reply = try kept.get("/livez")
        #expect(reply.status == 200 && reply.newConnections == 0)
        certificates.folder.write("server.pem", "no certificate")
        server.send(signal: SIGHUP)
        #expect(server.waitForError("the certificate stays as it is"))
        #expect(try serial() == "serial=02\n")
        #expect(server.terminate() == 0)
    }

    @Test("files that cannot be used end the start with a reason") func badFiles() throws {
        let certificates = try Certificates()
        try certificates.sign("server", serial: 1)
        try certificates.sign("other", serial: 2)
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let encrypt = ["pkey", "-in", certificates.path("server.key"), "-aes256", "-passout", "pass:secret"]
        let encrypted = try FinishedProgram(
            encrypt + ["-out", certificates.path("locked.key")], executable: URL(fileURLWithPath: "/usr/bin/openssl"))
        #expect(encrypted.status == 0)
        for (certificate, key, reason) in [
            ("nowhere.pem", "server.key", "nowhere.pem: No such file or directory"),
            ("server.pem", "nowhere.key", "nowhere.key: No such file or directory"),
            ("server.pem", "other.key", "other.key: it is not that of the certificate"),
            ("server.pem", "locked.key", "locked.key: it holds no private key in PEM without a pass phrase"),
            ("server.pem", "server.pem", "server.pem: it holds no private key in PEM without a pass phrase"),
            ("server.key", "server.key", "server.key: it holds no certificate in PEM"),
        ] {
            let run = try FinishedProgram(
                serving: folder.path,
                ["--tls-cert", certificates.path(certificate), "--tls-key", certificates.path(key)])
            #expect(run.status == 1 && run.errors.contains("cannot use TLS"), "\(run.errors)")
            #expect(run.errors.contains(reason) && !run.errors.contains("pass phrase:"), "\(run.errors)")
        }
        let alone = try FinishedProgram(serving: folder.path, ["--tls-cert", certificates.path("server.pem")])
        #expect(alone.status == 64 && alone.errors.contains("--tls-key"))
    }
}
