import Foundation
import JSON
import TestSupport
import Testing

@Suite("Options and environment variables")
struct SettingsTests {
    @Test("every option is also an environment variable") func environment() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(
            arguments: ["serve"],
            environment: [
                "SCANSTEP_MODELS": folder.path, "SCANSTEP_PORT": "0", "SCANSTEP_HOST": "127.0.0.1",
                "SCANSTEP_LOOPS": "2", "SCANSTEP_MAX_TICK": "5ms", "SCANSTEP_THREADS": "2",
                "SCANSTEP_WEIGHTS": "int8", "SCANSTEP_SCAN": "associative",
                "SCANSTEP_SESSION_MEMORY": "300B", "SCANSTEP_SESSION_IDLE": "none", "SCANSTEP_MAX_BODY": "1KiB",
                "SCANSTEP_DRAIN_TIMEOUT": "5s", "SCANSTEP_STATE_DIR": folder.path + "/state",
                "SCANSTEP_STATE_LIMIT": "1GiB", "SCANSTEP_DURABILITY": "sync", "SCANSTEP_FLUSH_INTERVAL": "5ms",
                "SCANSTEP_LOG_LEVEL": "debug", "SCANSTEP_ACCESS_LOG": "stderr",
            ])
        let client = server.client()
        let model = try client.get("/v1/models/letters")
        #expect(try model.string("weights") == "int8" && model.string("scan") == "associative")
        try client.post("/v1/sessions", #"{"model":"letters"}"#).expectProblem(507, "session-store-full")
        try client.post("/v1/sessions", String(repeating: " ", count: 1025)).expectProblem(413, "body-too-large")
        #expect(server.terminate() == 0)
        #expect(server.errorText.contains(/"target":"\/v1\/sessions",.*"status":507/))
    }

    @Test("times and sizes count in their units") func units() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder, ["--session-idle", "90m", "--max-body", "1MiB"])
        let client = server.client()
        let made = try client.create("a", of: "letters")
        let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        let (used, end) = (try format.parse(made.string("last_used_at")), try format.parse(made.string("expires_at")))
        #expect(abs(end.timeIntervalSince(used) - 5400) < 0.01)
        let body = #"{"model":"letters"}"#
        func post(_ count: Int) throws -> HTTPReply {
            try client.post("/v1/sessions", body + String(repeating: " ", count: count - body.utf8.count))
        }
        #expect(try post(1 << 20).status == 201)
        try post((1 << 20) + 1).expectProblem(413, "body-too-large")
        #expect(server.terminate() == 0)
    }

    @Test("options win over environment variables") func precedence() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(
            serving: folder,
            ["--max-body", "2KiB", "--session-memory", "1MiB", "--session-idle", "none", "--access-log", "none"],
            environment: [
                "SCANSTEP_MODELS": "/nowhere", "SCANSTEP_PORT": "1", "SCANSTEP_MAX_BODY": "1KiB",
                "SCANSTEP_SESSION_MEMORY": "1B", "SCANSTEP_ACCESS_LOG": "stderr",
            ])
        let client = server.client()
        let body = #"{"model":"letters"}"# + String(repeating: " ", count: 1500)
        let made = try client.post("/v1/sessions", body)
        #expect(made.status == 201)
        #expect(try made.json["expires_at"]?.isNull == true)
        #expect(server.terminate() == 0)
        #expect(!server.errorText.contains("/v1/sessions"))
    }

    @Test(
        "a value that makes no sense ends the start and names the option",
        arguments: [
            ("--port", "65536"), ("--port", "-1"), ("--port", "http"), ("--loops", "0"), ("--loops", "257"),
            ("--session-memory", "0"), ("--session-memory", "1GB"), ("--session-memory", "-1GiB"),
            ("--session-memory", "99999999999TiB"), ("--session-memory", ""), ("--max-body", "many"),
            ("--session-memory", "2"), ("--session-memory", "1073741824"), ("--max-body", "16"), ("--max-head", "8192"),
            ("--min-body-rate", "1"), ("--state-limit", "20"),
            ("--cors-origins", "https://lab.example/"), ("--cors-origins", "https://a.example,"),
            ("--cors-origins", "*,https://a.example"), ("--cors-origins", "null"),
            ("--max-body", "1.5MiB"), ("--drain-timeout", "5"), ("--drain-timeout", "1d"), ("--drain-timeout", "-1s"),
            ("--session-idle", "0s"), ("--session-idle", "never"), ("--session-idle", "-1h"), ("--log-level", "loud"),
            ("--max-tick", "2"), ("--max-tick", "0.5ms"), ("--max-tick", "fast"),
            ("--max-tick", "200000h"),
            ("--durability", "always"), ("--flush-interval", "0ms"), ("--flush-interval", "soon"),
            ("--state-limit", "much"),
            ("--host", ""), ("--listen", ""), ("--api-keys", ""), ("--tls-cert", ""), ("--tls-key", ""),
            ("--tls-client-ca", ""), ("--state-dir", ""), ("--state-limit", ""), ("--access-log", ""),
            ("--threads", "0"), ("--threads", "1025"), ("--weights", "f64"), ("--scan", "fast"),
        ])
    func badValues(option: String, value: String) throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let run = try FinishedProgram(["serve", "--models", folder.path, "\(option)=\(value)"])
        #expect(run.status == 64)
        #expect(run.errors.contains(option), "\(run.errors)")
        #expect(run.output.isEmpty)
        guard option != "--port" || value != "http" else { return }
        let name = "SCANSTEP_" + option.dropFirst(2).replacing("-", with: "_").uppercased()
        let byVariable = try FinishedProgram(["serve", "--models", folder.path], environment: [name: value])
        #expect(byVariable.status == 64, "\(name)=\(value)")
        #expect(byVariable.errors.contains(option), "\(byVariable.errors)")
    }

    @Test("a refusal says what to write instead") func corrected() throws {
        func errors(_ arguments: String...) throws -> String {
            try FinishedProgram(["serve", "--models", "nowhere"] + arguments).errors
        }
        let size = "a whole number with its unit, B, KiB, MiB, GiB or TiB, such as "
        #expect(try errors("--session-memory=2").contains(size + "1GiB, not \"2\""))
        #expect(try errors("--max-body=16").contains(size + "16MiB, not \"16\""))
        #expect(try errors("--session-idle=3600").contains("us, ms, s, m or h, such as 1h, or none, not \"3600\""))
        #expect(try errors("--cors-origins=https://Lab.example/").contains("write https://lab.example"))
        #expect(try errors("--cors-origins=http://[0:0:0:0:0:0:0:1]").contains("write http://[::1]"))
        #expect(try errors("--cors-origins", "").contains("there is no origin in it"))
        #expect(try errors("--session-memory=9000000TiB").contains("at most 8388607TiB; \"9000000TiB\" is too large"))
        #expect(try errors("--session-memory=99999999999999999999B").contains("at most 9223372036854775807B"))
        #expect(try errors("--session-idle=8761h").contains("at most 8760h; \"8761h\" is too large"))
        #expect(try errors("--max-tick=2000000us").contains("at most 1000000us"))
        #expect(try errors("--session-memory=-5TiB").contains(size))
    }

    @Test(
        "who lets other machines in without keys or TLS is warned, with what is missing",
        arguments: [
            ([], ["--api-keys", "--tls-cert", "anybody"], []),
            (["--api-keys"], ["--tls-cert", "clear text"], ["--api-keys"]),
            (["--tls-cert", "--tls-key"], ["--api-keys", "anybody"], ["--tls-cert"]),
            (["--tls-cert", "--tls-key", "--tls-client-ca"], [], ["beyond loopback"]),
            (["--tls-cert", "--tls-key", "--api-keys"], [], ["beyond loopback"]),
        ] as [([String], [String], [String])])
    func exposed(options: [String], words: [String], others: [String]) throws {
        let (folder, files) = (TemporaryFolder(), TemporaryFolder())
        LiveModels.letters(folder)
        let certificates = try TLSTests.Certificates()
        files.write("keys.json", #"{"keys":[]}"#)
        let paths = [
            "--tls-cert": certificates.authority, "--tls-client-ca": certificates.authority,
            "--tls-key": certificates.path("ca.key"), "--api-keys": files.path + "/keys.json",
        ]
        // An address that no machine has: it is warned of before it fails, and nobody gets in.
        let run = try FinishedProgram(
            serving: folder.path, ["--host", "192.0.2.1"] + options.flatMap { [$0, paths[$0]!] })
        #expect(run.status == 1 && run.errors.contains("cannot listen on 192.0.2.1"), "\(run.errors)")
        let warning = run.errors.split(separator: "\n").first { $0.contains("beyond loopback") } ?? ""
        for word in words { #expect(warning.contains(word), "\(warning)") }
        for word in others { #expect(!warning.contains(word), "\(warning)") }
        #expect(warning.isEmpty == words.isEmpty)
    }

    @Test(
        "loopback and paths are nobody's way in",
        arguments: [["--host", "127.0.0.1"], ["--host", "localhost"], ["--listen"]])
    func notExposed(arguments: [String]) throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let path = arguments.count == 1 ? ["unix:\(folder.path)/s"] : []
        let server = try ServerProcess(serving: folder, arguments + path)
        #expect(server.terminate() == 0)
        #expect(!server.errorText.contains("beyond loopback"))
    }

    @Test("a missing folder of models and an unknown option are told") func usage() throws {
        let missing = try FinishedProgram(["serve"])
        #expect(missing.status == 64)
        #expect(missing.errors.contains("--models"))
        let unknown = try FinishedProgram(["serve", "--colour", "red"])
        #expect(unknown.status == 64)
        #expect(unknown.errors.contains("--colour"))
    }

    @Test("an address that is not ours is refused with status 1", arguments: ["192.0.2.1", "no.such.host.invalid"])
    func badHost(host: String) throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let run = try FinishedProgram(serving: folder.path, ["--host", host])
        #expect(run.status == 1)
        #expect(run.errors.contains("cannot listen on \(host)"))
    }
}
