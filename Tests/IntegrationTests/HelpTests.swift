import Foundation
import Testing

@Suite("The help of the command line")
struct HelpTests {
    /// Options of `serve`, with what the help says of each in one line.
    private func options() throws -> [String: String] {
        let help = try FinishedProgram(["serve", "--help"], environment: ["COLUMNS": "100"])
        #expect(help.status == 0)
        var (options, name): ([String: String], String) = ([:], "")
        for line in help.output.split(separator: "\n") {
            if let found = line.firstMatch(of: /^  (--[a-z-]+) (<[^>]+>)?/) {
                name = String(found.1)
                options[name] = String(line.dropFirst(found.0.count))
            } else if line.hasPrefix("   ") {
                options[name, default: ""] += " " + line.drop { $0 == " " }
            }
        }
        options["--version"] = nil
        return options
    }

    @Test("each option says what it is by default, or is named here as one that needs none") func defaults() throws {
        let without: Set = [
            "--models", "--state-dir", "--listen", "--admin-port", "--tls-cert", "--tls-key", "--tls-client-ca",
            "--api-keys",
        ]
        let options = try options()
        #expect(options.count > 35, "\(options.count)")
        for (name, text) in options where !without.contains(name) {
            #expect(text.contains("(default: "), "\(name): \(text)")
        }
    }

    @Test(
        "what an option does, its consequences and when to change it are said in words",
        arguments: [
            ("--tls-client-ca", ["PEM file", "every client must show a certificate", "without it"]),
            ("--tls-cert", ["PEM file", "intermediate", "HTTPS"]), ("--max-tick", ["single steps", "quicker"]),
            ("--max-queue-time", ["503", "Retry-After", "none"]),
            ("--min-body-rate", ["bytes a second", "408", "slow links"]),
            ("--write-timeout", ["read nothing", "closed"]), ("--durability", ["crash", "sync", "async", "none"]),
            ("--session-idle", ["unused", "ends", "idle_seconds"]), ("--flush-interval", ["async", "crash"]),
            ("--scan", ["long input", "same bytes as single steps", "last digits"]),
        ])
    func words(option: String, words: [String]) throws {
        let text = try #require(try options()[option])
        for word in words { #expect(text.contains(word), "\(option): \(text)") }
    }

    @Test("the README has each option, and no other") func readme() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let section = try #require(readme.split(separator: "\n## ").first { $0.hasPrefix("Options\n") })
        let rows = section.split(separator: "\n").filter { $0.hasPrefix("| `--") }
        let named = rows.flatMap { row in row.split(separator: "|")[0].matches(of: /--[a-z-]+/).map { String($0.0) } }
        #expect(named.sorted() == (try options().keys.sorted()))
    }
}
