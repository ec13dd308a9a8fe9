import Foundation
import JSON
import TestSupport
import Testing

@Suite("API keys")
struct KeyTests {
    private func add(_ name: String, _ file: String) throws -> String {
        let run = try FinishedProgram(["keys", "add", name, "--api-keys", file])
        try #require(run.status == 0, "\(run.errors)")
        #expect(run.output.hasSuffix("\n") && run.output.split(separator: "\n").count == 1)
        return String(run.output.dropLast())
    }

    private func asking(_ key: String) -> [(String, String)] { [("Authorization", "Bearer \(key)")] }

    @Test("a key is printed once, and the file has its hash, for its owner's eyes only") func file() throws {
        let folder = TemporaryFolder()
        let file = folder.path + "/keys.json"
        let (ada, bob) = (try add("ada", file), try add("bob", file))
        #expect(ada != bob && ada.count >= 40)
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(!text.contains(ada) && !text.contains(bob) && text.contains("\"ada\""))
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let again = try FinishedProgram(["keys", "add", "ada", "--api-keys", file])
        #expect(again.status == 1 && again.output.isEmpty && again.errors.contains("ada"))
        let bad = try FinishedProgram(["keys", "add", "a/b", "--api-keys", file])
        #expect(bad.status == 1 && bad.output.isEmpty)
    }

    @Test("without a key, or with a wrong one, there is nothing but what is open") func unauthorized() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let keys = TemporaryFolder()
        let key = try add("ada", keys.path + "/keys.json")
        let server = try ServerProcess(serving: folder, ["--api-keys", keys.path + "/keys.json"])
        let client = server.client()
        for path in ["/v1/models", "/v1/sessions", "/v1/sessions/x"] {
            let reply = try client.get(path)
            try reply.expectProblem(401, "unauthorized")
            #expect(reply.headers["www-authenticate"] == "Bearer")
        }
        for value in [key + "0", String(key.dropLast()), key.uppercased(), "Bearer", ""] {
            try client.request("GET", "/v1/models", headers: asking(value)).expectProblem(401, "unauthorized")
        }
        try client.request("GET", "/v1/models", headers: [("Authorization", "Basic \(key)")])
            .expectProblem(401, "unauthorized")
        for path in ["/livez", "/readyz", "/metrics", "/openapi.yaml"] { #expect(try client.get(path).status == 200) }
        #expect(try client.request("GET", "/v1/models", headers: asking(key)).status == 200)
        #expect(try client.request("GET", "/v1/models", headers: [("X-API-Key", key)]).status == 200)
        #expect(try client.request("GET", "/v1/models", headers: [("Authorization", "bearer \(key)")]).status == 200)
        #expect(server.terminate() == 0)
        #expect(!server.errorText.contains(key))
    }

    @Test("to any other key a session does not exist, and both may call theirs the same") func ownership() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let file = folder.path + "/keys.json"
        let (ada, bob) = (asking(try add("ada", file)), asking(try add("bob", file)))
        let state = TemporaryFolder()
        let arguments = ["--api-keys", file, "--state-dir", state.path, "--durability", "sync"]
        let server = try ServerProcess(serving: folder, arguments)
        let client = server.client()
        func post(_ path: String, _ body: String, _ who: [(String, String)]) throws -> HTTPReply {
            try client.post(path, body, headers: who)
        }
        let made = try post("/v1/sessions", #"{"model":"letters","id":"s","text":"abc"}"#, ada)
        #expect(made.status == 201 && made.headers["location"] == "/v1/sessions/s")
        #expect(try made.string("id") == "s")
        for path in ["", "/state", "/checkpoints"] {
            try client.request("GET", "/v1/sessions/s" + path, headers: bob).expectProblem(404, "session-not-found")
        }
        try client.request("DELETE", "/v1/sessions/s", headers: bob).expectProblem(404, "session-not-found")
        for (path, body) in [
            ("step", #"{"token":1}"#), ("prefill", #"{"text":"a"}"#), ("generate", "{}"), ("fork", "{}"),
            ("stream", ""), ("rewind", #"{"to_step":0}"#),
        ] {
            try post("/v1/sessions/s/" + path, body, bob).expectProblem(404, "session-not-found", mentioning: "\"s\"")
        }
        let batch = try post("/v1/step", #"{"steps":[{"session":"s","token":1}]}"#, bob)
        #expect(try batch.json["results"]?.elements.first { _ in true }?["error"]?["status"]?.int == 404)
        #expect(try post("/v1/sessions", #"{"model":"letters","id":"s"}"#, bob).status == 201)
        #expect(try post("/v1/sessions/s/step", #"{"token":1}"#, bob).int("step") == 1)
        #expect(try post("/v1/sessions/s/step", #"{"token":1}"#, ada).int("step") == 4)
        let forks = try post("/v1/sessions/s/fork", #"{"count":2}"#, ada)
        let names = try forks.json["sessions"]?.elements.compactMap { $0["id"]?.string } ?? []
        // Of random digits alone: nothing of whose they are, though "ada" may be among them.
        #expect(
            forks.status == 201 && names.count == 2 && names.allSatisfy { $0.wholeMatch(of: /[0-9a-f]{32}/) != nil })
        #expect(try client.request("GET", "/v1/sessions", headers: ada).json["data"]?.count == 3)
        #expect(try client.request("GET", "/v1/sessions", headers: bob).json["data"]?.count == 1)
        #expect(try client.request("DELETE", "/v1/sessions/s", headers: bob).status == 204)
        try post("/v1/sessions/s/step", #"{"token":1}"#, bob).expectProblem(410, "session-gone")
        server.send(signal: SIGKILL)
        server.waitForExit()

        // On disk they belong to the same owners.
        let next = try ServerProcess(serving: folder, arguments)
        let other = next.client()
        #expect(try other.request("GET", "/v1/sessions/s", headers: ada).int("step") == 4)
        #expect(try other.request("GET", "/v1/sessions/s", headers: bob).status == 404)
        #expect(try other.request("GET", "/v1/sessions", headers: bob).json["data"]?.count == 0)
        #expect(next.terminate() == 0)
    }

    @Test("limits of a key are kept: requests, sessions, bytes, models; others are not touched by them") func limits()
        throws
    {
        let folder = TemporaryFolder()
        LiveModels.both(folder)
        let file = folder.path + "/keys.json"
        let (ada, bob) = (asking(try add("ada", file)), asking(try add("bob", file)))
        let text = try String(contentsOfFile: file, encoding: .utf8)
        func limit(_ members: String) {
            let changed = text.replacing("{\"name\":\"ada\",", with: "{\"name\":\"ada\",\(members),")
            folder.write("keys.json", changed)
        }
        limit(#""sessions":2,"models":["letters"]"#)
        let server = try ServerProcess(serving: folder, ["--api-keys", file])
        let client = server.client()
        func make(_ model: String, _ who: [(String, String)]) throws -> HTTPReply {
            try client.post("/v1/sessions", "{\"model\":\"\(model)\"}", headers: who)
        }
        for _ in 0..<2 { #expect(try make("letters", ada).status == 201) }
        try make("letters", ada).expectProblem(507, "key-quota-full", mentioning: "2 sessions")
        try make("vectors", ada).expectProblem(403, "model-forbidden")
        #expect(try client.request("GET", "/v1/models", headers: ada).json["data"]?.count == 1)
        for _ in 0..<3 { #expect(try make("vectors", bob).status == 201) }
        let id = try #require(
            try client.request("GET", "/v1/sessions", headers: ada).json["data"]?.elements.first { _ in true }?["id"]?
                .string)
        try client.post("/v1/sessions/\(id)/fork", "{}", headers: ada).expectProblem(507, "key-quota-full")
        #expect(try client.request("DELETE", "/v1/sessions/\(id)", headers: ada).status == 204)
        #expect(try make("letters", ada).status == 201)

        // Read again while the server runs; what cannot be used changes nothing.
        limit(#""requests_per_second":0.001"#)
        server.send(signal: SIGHUP)
        #expect(server.waitForError("API keys read again"))
        #expect(try make("letters", ada).status == 201)
        let refused = try make("letters", ada)
        try refused.expectProblem(429, "rate-limited")
        #expect(refused.headers["retry-after"].flatMap { Int($0) }.map { (900...1000).contains($0) } == true)
        #expect(try make("letters", bob).status == 201)
        folder.write("keys.json", "{")
        server.send(signal: SIGHUP)
        #expect(server.waitForError("API keys stay as they are"))
        #expect(try make("letters", bob).status == 201)
        folder.write("keys.json", "{\"keys\":[]}")
        server.send(signal: SIGHUP)
        #expect(server.waitForError("keys=0"))
        try make("letters", bob).expectProblem(401, "unauthorized")
        #expect(server.terminate() == 0)
    }

    @Test(
        "a file that makes no sense ends the start",
        arguments: [
            "", "[]", "{}", #"{"keys":[{}]}"#, #"{"keys":[{"name":"a","sha256":"00"}]}"#, #"{"keys":{}}"#,
            #"{"keys":[{"name":"a/b","sha256":"\#(String(repeating: "0", count: 64))"}]}"#,
            #"{"keys":[{"name":"a","sha256":"\#(String(repeating: "0", count: 64))","limit":1}]}"#,
        ])
    func badFile(text: String) throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let file = folder.write("keys.json", text)
        let run = try FinishedProgram(serving: folder.path, ["--api-keys", file])
        #expect(run.status == 1 && run.output.isEmpty)
        #expect(run.errors.contains("cannot use --api-keys"), "\(run.errors)")
    }

    @Test("under one Idempotency-Key two callers make two sessions, though of one name") func keyedCreation() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let file = folder.path + "/keys.json"
        let callers = [asking(try add("ada", file)), asking(try add("bob", file))]
        let server = try ServerProcess(serving: folder, ["--api-keys", file])
        let client = server.client()
        for who in callers {
            for isReplayed in [false, true] {
                let reply = try client.post(
                    "/v1/sessions", #"{"model":"letters","id":"s","text":"abc"}"#,
                    headers: who + [("Idempotency-Key", "k")])
                #expect(reply.status == 201 && (reply.headers["idempotent-replayed"] != nil) == isReplayed)
            }
            #expect(try client.post("/v1/sessions/s/step", #"{"token":1}"#, headers: who).int("step") == 4)
        }
        #expect(server.terminate() == 0)
    }

    @Test("a key that has lost a model does not go on with sessions of it") func lostModel() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let file = folder.path + "/keys.json"
        let ada = asking(try add("ada", file))
        let server = try ServerProcess(serving: folder, ["--api-keys", file])
        let client = server.client()
        #expect(
            try client.post("/v1/sessions", #"{"model":"letters","id":"s","text":"abc"}"#, headers: ada).status == 201)
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let changed = text.replacingOccurrences(of: #""name":"ada""#, with: #""name":"ada","models":["vectors"]"#)
        try changed.write(toFile: file, atomically: true, encoding: .utf8)
        server.send(signal: SIGHUP)
        #expect(server.waitForError("API keys read again"))
        try client.post("/v1/sessions/s/step", #"{"token":1}"#, headers: ada).expectProblem(403, "model-forbidden")
        #expect(server.terminate() == 0)
    }
}
