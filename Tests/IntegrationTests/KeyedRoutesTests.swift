import Foundation
import HTTP
import JSON
import Recurrent
import TestSupport
import Testing

@testable import API

@Suite("Idempotency-Key on every route", .server(LiveModels.both))
struct KeyedRoutesTests {
    private static let key = ("Idempotency-Key", "k-1")
    /// POST requests that move nothing: a key promises nothing there that is not so without it.
    private static let pure = ["/v1/tokenize", "/v1/detokenize", "/v2/repository/index"]
    private static let infer = #"{"inputs":[{"name":"tokens","datatype":"INT64","shape":[1,2],"data":[1,2]}]"#

    /// Bodies with which the routes that change something succeed. The session `s` stands at step 2, `id` is its name.
    private static func body(of pattern: String, _ id: String, _ state: [UInt8]) -> [UInt8]? {
        let text: String? =
            switch pattern.replacingOccurrences(of: "/versions/{version}", with: "") {
            case "/v1/completions": #"{"model":"letters","session_id":"\#(id)","prompt":[1],"max_tokens":2}"#
            case "/v1/chat/completions": #"{"model":"letters","messages":[]}"#
            case "/v1/tokenize": #"{"model":"letters","text":"abc"}"#
            case "/v1/detokenize": #"{"model":"letters","tokens":[1,2]}"#
            case "/v1/prefill": #"{"model":"letters","sequences":[{"session":"\#(id)","tokens":[1]}]}"#
            case "/v1/step": #"{"steps":[{"session":"\#(id)","token":1}]}"#
            case "/v1/sessions": #"{"model":"letters","id":"\#(id)-new","tokens":[1,2],"logits":true}"#
            case "/v1/sessions/{id}/prefill": #"{"tokens":[3,4]}"#
            case "/v1/sessions/{id}/step": #"{"token":3}"#
            case "/v1/sessions/{id}/generate": #"{"tokens":[3],"max_tokens":3}"#
            case "/v1/sessions/{id}/stream": #"{"token":3}"#
            case "/v1/sessions/{id}/fork": #"{"count":2}"#
            case "/v1/sessions/{id}/checkpoints": "{}"
            case "/v1/sessions/{id}/rewind": #"{"checkpoint":"begin"}"#
            case "/v2/repository/index", "/v2/repository/models/{model}/load": "{}"
            case "/v2/repository/models/{model}/unload": "{}"
            case "/v2/models/{model}/infer":
                infer + #","parameters":{"sequence_id":"\#(id)","sequence_start":true}}"#
            case "/v2/models/{model}/generate", "/v2/models/{model}/generate_stream":
                #"{"text_input":"abc","max_tokens":2,"sequence_id":"\#(id)","sequence_start":true}"#
            default: nil
            }
        return text.map { Array($0.utf8) } ?? (pattern == "/v1/sessions/{id}/state" ? state : nil)
    }

    @Test("it is kept, or refused in words, or the route moves nothing") func all() throws {
        let client = try LiveServer.client()
        let versions = try client.get("/v2/models/letters").json["versions"]
        let version = try #require(versions?.elements.map(\.string).first ?? nil)
        var kept: Set<String> = []
        for (number, route) in ServiceRoute.all.enumerated() {
            let id = "every-\(number)"
            try client.create(id, of: "letters", #","tokens":[1,2]"#)
            #expect(try client.post("/v1/sessions/\(id)/checkpoints", #"{"name":"begin"}"#).status == 201)
            let state = try client.get("/v1/sessions/\(id)/state").body
            let path = route.pattern.replacingOccurrences(of: "{id}", with: id)
                .replacingOccurrences(of: "{model}", with: "letters").replacingOccurrences(of: "{name}", with: "begin")
                .replacingOccurrences(of: "{version}", with: version)
            func ask(_ key: Bool) throws -> HTTPReply {
                try client.request(
                    route.method.rawValue, path,
                    body: route.method == .get ? nil : Self.body(of: route.pattern, id, state),
                    headers: [("Content-Type", "application/json")] + (key ? [Self.key] : []))
            }
            let place = "\(route.method.rawValue) \(path)"
            if route.method == .get {
                let reply = try ask(true)
                #expect(reply.status == 200 && reply.headers["idempotent-replayed"] == nil, "\(place): \(reply.text)")
                continue
            }
            if route.method != .delete {
                #expect(Self.body(of: route.pattern, id, state) != nil, "\(place) is unknown")
            }
            let (first, again) = (try ask(true), try ask(true))
            if Self.pure.contains(route.pattern) {
                #expect(first.status == 200 && again.body == first.body, "\(place): \(again.text)")
            } else if (200..<300).contains(first.status) {
                kept.insert("\(route.method.rawValue) \(route.pattern)")
                #expect(first.headers["idempotent-replayed"] == nil, "\(place)")
                #expect(again.headers["idempotent-replayed"] == "true", "\(place): \(again.status) \(again.text)")
                #expect(again.status == first.status && again.body == first.body, "\(place): \(again.text)")
                for name in ["location", "etag", "content-type", "inference-header-content-length"] {
                    #expect(again.headers[name] == first.headers[name], "\(place): \(name)")
                }
            } else {
                let isForeign = route.pattern.hasPrefix("/v2/") || route.pattern == "/v1/completions"
                let status = isForeign ? 400 : route.pattern.contains("chat") ? 404 : 422
                #expect(first.status == status && again.status == status, "\(place): \(first.status) \(first.text)")
                #expect(status == 404 || first.text.contains("Idempotency-Key"), "\(place): \(first.text)")
                #expect(try client.step(of: id) == 2, "\(place)")
            }
        }
        let ofSession = ["prefill", "step", "generate", "fork", "checkpoints", "rewind"]
        let ofModel = ["infer", "generate"].flatMap { ["/\($0)", "/versions/{version}/\($0)"] }
        #expect(
            kept
                == Set(
                    ["POST /v1/sessions", "PUT /v1/sessions/{id}/state"]
                        + ofSession.map { "POST /v1/sessions/{id}/\($0)" }
                        + ofModel.map { "POST /v2/models/{model}\($0)" }))
    }

    // MARK: What moves

    private func post(_ path: String, _ json: String, key: String) throws -> HTTPReply {
        try LiveServer.client().post(path, json, headers: [("Idempotency-Key", key)])
    }

    /// Asks twice; the second reply must be the first one, told again.
    private func twice(
        _ method: String = "POST", _ path: String, _ body: [UInt8], key: String, _ headers: [(String, String)] = []
    ) throws -> HTTPReply {
        let client = try LiveServer.client()
        let all = headers + [("Idempotency-Key", key)]
        let first = try client.request(method, path, body: body, headers: all)
        let again = try client.request(method, path, body: body, headers: all)
        #expect((200..<300).contains(first.status), "\(first.text)")
        #expect(first.headers["idempotent-replayed"] == nil && again.headers["idempotent-replayed"] == "true")
        #expect(again.status == first.status && again.body == first.body, "\(again.text)")
        return again
    }

    private func twice(_ path: String, _ json: String, key: String) throws -> HTTPReply {
        try twice("POST", path, Array(json.utf8), key: key)
    }

    @Test("a session is made once, also by many at once, and is not another's that has the name") func create() throws {
        let client = try LiveServer.client()
        let body = #"{"model":"letters","id":"made","tokens":[1,2,3],"top_logprobs":2}"#
        let made = try twice("/v1/sessions", body, key: "c")
        #expect(made.status == 201 && made.headers["location"] == "/v1/sessions/made")
        // Also when it has moved on.
        _ = try client.act("step", on: "made", #""token":1"#)
        #expect(try post("/v1/sessions", body, key: "c").body == made.body)
        try post("/v1/sessions", body, key: "other").expectProblem(409, "session-exists")
        try client.post("/v1/sessions", body).expectProblem(409, "session-exists")
        try post("/v1/sessions", #"{"model":"letters","id":"made"}"#, key: "c")
            .expectProblem(422, "idempotency-key-reused")
        try post("/v1/sessions", #"{"model":"vectors","id":"made"}"#, key: "c").expectProblem(409, "session-exists")
        try post("/v1/sessions", #"{"model":"letters"}"#, key: "c")
            .expectProblem(422, "invalid-input", mentioning: "Idempotency-Key")
        #expect(try client.step(of: "made") == 4)
        // A new session of the name has keys of its own.
        #expect(try client.request("DELETE", "/v1/sessions/made").status == 204)
        #expect(try twice("/v1/sessions", body, key: "c").int("step") == 3)

        let request = HTTPRequest(
            "POST", "/v1/sessions", json: #"{"model":"letters","id":"crowd"}"#, headers: [Self.key])
        let replies = try client.performAtOnce([HTTPRequest](repeating: request, count: 20))
        #expect(replies.allSatisfy { $0.status == 201 && $0.body == replies[0].body })
        #expect(replies.count { $0.headers["idempotent-replayed"] == nil } == 1)
    }

    @Test("forks, checkpoints and rewinds are done once, and refused attempts are not remembered") func actions() throws
    {
        let client = try LiveServer.client()
        try client.create("parent", of: "letters", #","tokens":[1,2]"#)
        let path = "/v1/sessions/parent/"
        let forks = try twice(path + "fork", #"{"count":3}"#, key: "f")
        #expect(forks.status == 201)
        #expect(try forks.json["sessions"]?.count == 3)
        // What was refused may be asked again under its key.
        try client.create("taken", of: "letters")
        let named = #"{"ids":["free","taken"]}"#
        try post(path + "fork", named, key: "g").expectProblem(409, "session-exists")
        #expect(try client.request("DELETE", "/v1/sessions/taken").status == 204)
        #expect(try twice(path + "fork", named, key: "g").json["sessions"]?.count == 2)
        try post(path + "fork", #"{"count":1025}"#, key: "h")
            .expectProblem(422, "invalid-input", mentioning: "Idempotency-Key")
        try post(path + "fork", #"{"expected_step":7}"#, key: "i").expectProblem(412, "step-mismatch")

        #expect(try twice(path + "checkpoints", "{}", key: "p").status == 201)
        _ = try client.act("step", on: "parent", #""token":3"#)
        #expect(try twice(path + "checkpoints", "{}", key: "q").string("name") == "step-3")
        let rewind = #"{"checkpoint":"step-2"}"#
        #expect(try twice(path + "rewind", rewind, key: "r").int("step") == 2)
        _ = try client.act("step", on: "parent", #""token":3"#)
        // It does not go back again.
        #expect(try post(path + "rewind", rewind, key: "r").headers["idempotent-replayed"] == "true")
        #expect(try client.step(of: "parent") == 3)
        try post(path + "rewind", #"{"checkpoint":"step-3"}"#, key: "r").expectProblem(422, "idempotency-key-reused")
    }

    @Test("a state is put once, and its reply has its entity tag again") func put() throws {
        let client = try LiveServer.client()
        try client.create("source", of: "letters", #","tokens":[1,2]"#)
        let state = try client.get("/v1/sessions/source/state").body
        let path = "/v1/sessions/target/state"
        let type = [("Content-Type", "application/octet-stream")]
        let made = try twice("PUT", path, state, key: "u", type + [("If-None-Match", "*")])
        let tag = try #require(made.headers["etag"])
        #expect(made.status == 201 && made.headers["location"] == "/v1/sessions/target")
        _ = try client.act("step", on: "target", #""token":1"#)
        let other = try client.request(
            "PUT", path, body: state, headers: type + [("If-Match", tag), ("Idempotency-Key", "u")])
        try other.expectProblem(422, "idempotency-key-reused")
        let again = try client.request(
            "PUT", path, body: state, headers: type + [("If-None-Match", "*"), ("Idempotency-Key", "u")])
        #expect(again.status == 201 && again.headers["etag"] == tag && again.body == made.body)
        #expect(try client.step(of: "target") == 3)
        #expect(try twice("PUT", path, state, key: "v", type).status == 200)
    }

    @Test("a sequence of the Open Inference Protocol moves once, in JSON and in binary") func sequences() throws {
        let client = try LiveServer.client()
        let path = "/v2/models/letters/infer"
        func infer(_ parameters: String) -> String { Self.infer + ",\"parameters\":{\(parameters)}}" }
        #expect(try twice(path, infer(#""sequence_id":7,"sequence_start":true"#), key: "a").status == 200)
        let reply = try twice(path, infer(#""sequence_id":7,"binary_data_output":true"#), key: "b")
        #expect(reply.headers["content-type"] == "application/octet-stream")
        #expect(Int(reply.headers["inference-header-content-length"] ?? "") ?? 0 > 0)
        #expect(try client.step(of: "sequence:letters:7") == 4)
        #expect(
            try twice("/v2/models/letters/generate", #"{"text_input":"a","max_tokens":2,"sequence_id":7}"#, key: "c")
                .status == 200)
        #expect(try client.step(of: "sequence:letters:7") == 7)
        // A new beginning under a new key.
        #expect(try twice(path, infer(#""sequence_id":7,"sequence_start":true"#), key: "d").status == 200)
        #expect(try client.step(of: "sequence:letters:7") == 2)
        for (parameters, path) in [
            (#""sequence_id":7,"sequence_end":true"#, path), (#""return":"last""#, path),
        ] {
            let refused = try post(path, infer(parameters), key: "e")
            #expect(refused.status == 400 && refused.text.contains("Idempotency-Key"), "\(refused.text)")
        }
        #expect(try client.step(of: "sequence:letters:7") == 2)
    }

    // MARK: Which request it is

    @Test("the same key and body by another path, method or condition is another request") func otherRequests() throws {
        let client = try LiveServer.client()
        try client.create("paths", of: "letters")
        let path = "/v1/sessions/paths/"
        let body = #"{"tokens":[3,4]}"#
        #expect(try post(path + "prefill", body, key: "k").int("step") == 2)
        try post(path + "generate", body, key: "k").expectProblem(422, "idempotency-key-reused")
        try post(path + "prefill?again", body, key: "k").expectProblem(422, "idempotency-key-reused")
        #expect(try post(path + "fork", "{}", key: "l").status == 201)
        try post(path + "checkpoints", "{}", key: "l").expectProblem(422, "idempotency-key-reused")
        #expect(try client.step(of: "paths") == 2)
        #expect(try client.get(path + "checkpoints").json["data"]?.count == 0)
        // Another session has keys of its own.
        try client.create("paths-b", of: "letters")
        #expect(try post("/v1/sessions/paths-b/prefill", body, key: "k").headers["idempotent-replayed"] == nil)
    }
}

@Suite("Idempotency-Key over the end of a server")
struct KeysOnDiskTests {
    @Test("what was made once is not made again", arguments: ["sync", "async"]) func restart(durability: String) throws
    {
        let (models, states) = (TemporaryFolder(), TemporaryFolder())
        LiveModels.letters(models)
        func start() throws -> ServerProcess { try ServerProcess(serving: models, ["--state-dir", states.path]) }
        let requests: [(path: String, body: String)] = [
            ("/v1/sessions", #"{"model":"letters","id":"s","tokens":[1,2],"durability":"\#(durability)"}"#),
            ("/v1/sessions/s/fork", #"{"count":2}"#), ("/v1/sessions/s/checkpoints", "{}"),
            ("/v1/sessions/s/step", #"{"token":3}"#), ("/v1/sessions/s/rewind", #"{"checkpoint":"step-2"}"#),
        ]
        func ask(_ server: ServerProcess) throws -> [HTTPReply] {
            let client = server.client()
            return try requests.enumerated().map { index, request in
                try client.post(request.path, request.body, headers: [("Idempotency-Key", "k\(index)")])
            }
        }
        var server = try start()
        let first = try ask(server)
        #expect(first.allSatisfy { (200..<300).contains($0.status) }, "\(first.map(\.text))")
        #expect(first.allSatisfy { $0.headers["idempotent-replayed"] == nil })
        for _ in 0..<2 {
            if durability == "sync" {
                server.send(signal: SIGKILL)
                server.waitForExit()
            } else {
                #expect(server.terminate() == 0)
            }
            server = try start()
            for (index, reply) in try ask(server).enumerated() {
                #expect(reply.headers["idempotent-replayed"] == "true", "\(index): \(reply.text)")
                #expect(reply.status == first[index].status && reply.body == first[index].body, "\(reply.text)")
                #expect(reply.headers["location"] == first[index].headers["location"])
            }
            let client = server.client()
            #expect(try client.step(of: "s") == 2)
            #expect(try client.get("/v1/sessions").json["data"]?.count == 3)
        }
        #expect(server.terminate() == 0)
    }
}
