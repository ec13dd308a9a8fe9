import Foundation
import JSON
import TestSupport
import Testing

@Suite(
    "Contents that are negotiated", .server(LiveModels.letters, arguments: ["--cors-origins", "https://lab.example"]))
struct ContentTests {
    private func program(_ name: String, _ arguments: [String], _ input: [UInt8]) throws -> [UInt8] {
        let process = Process()
        let (standardInput, output) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: name)
        process.arguments = arguments
        process.standardInput = standardInput
        process.standardOutput = output
        try process.run()
        DispatchQueue.global().async { [file = standardInput.fileHandleForWriting] in
            try? file.write(contentsOf: Data(input))
            try? file.close()
        }
        let bytes = [UInt8](output.fileHandleForReading.readDataToEndOfFile())
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return bytes
    }

    private func gzip(_ text: String) throws -> [UInt8] { try program("/bin/gzip", ["-c"], Array(text.utf8)) }

    @Test("a large reply comes compressed to who accepts that, and is the same") func replies() throws {
        let client = try LiveServer.client()
        let body =
            #"{"model":"letters","sequences":[{"text":"\#(String(repeating: "abc", count: 500))"}],"return":"all","logits":true}"#
        let plain = try client.post("/v1/prefill", body)
        #expect(plain.headers["content-encoding"] == nil && plain.headers["vary"]?.contains("accept-encoding") == true)
        for accepted in ["gzip", "br;q=1, GZip;q=0.5", "*"] {
            let reply = try client.post("/v1/prefill", body, headers: [("Accept-Encoding", accepted)])
            #expect(reply.headers["content-encoding"] == "gzip", "\(accepted)")
            #expect(reply.body.count < plain.body.count / 2)
            let text = String(decoding: try program("/bin/gzip", ["-dc"], reply.body), as: UTF8.self)
            #expect(RawJSON.member("results", of: text) == (try plain.raw("results")))
        }
        for accepted in ["identity", "gzip;q=0", "br", "*;q=0"] {
            let reply = try client.post("/v1/prefill", body, headers: [("Accept-Encoding", accepted)])
            #expect(reply.headers["content-encoding"] == nil, "\(accepted)")
        }
        let small = try client.request("GET", "/v1/models", headers: [("Accept-Encoding", "gzip")])
        #expect(small.headers["content-encoding"] == nil && small.headers["vary"]?.contains("encoding") != true)
        let head = try client.request("HEAD", "/openapi.yaml", headers: [("Accept-Encoding", "gzip")])
        let whole = try client.request("GET", "/openapi.yaml", headers: [("Accept-Encoding", "gzip")])
        #expect(head.headers["content-length"] == "\(whole.body.count)" && head.headers["content-encoding"] == "gzip")
    }

    @Test("a request may be compressed; what is broken, too large or unknown is refused") func requests() throws {
        let client = try LiveServer.client()
        let text =
            #"{"model":"letters","sequences":[{"text":"\#(String(repeating: "abc", count: 9000))"}],"return":"none"}"#
        func post(_ bytes: [UInt8], _ coding: String = "gzip") throws -> HTTPReply {
            try client.request("POST", "/v1/prefill", body: bytes, headers: [("Content-Encoding", coding)])
        }
        let bytes = try gzip(text)
        #expect(bytes.count < 1000)
        #expect(try post(bytes).text.contains("\"step\":27000"))
        // Several members one after the other are one content (RFC 1952 §2.2).
        #expect(try post(gzip(String(text.prefix(100))) + gzip(String(text.dropFirst(100)))).status == 200)
        #expect(try post(Array(text.utf8), "identity").status == 200)
        try post(Array(bytes.dropLast(4))).expectProblem(400, "bad-gzip")
        try post(bytes + [1, 2, 3]).expectProblem(400, "bad-gzip")
        try post(Array(text.utf8)).expectProblem(400, "bad-gzip")
        try post([]).expectProblem(400, "bad-gzip")
        var flipped = bytes
        flipped[flipped.count / 2] ^= 0x10
        #expect(try post(flipped).status == 400)
        let unknown = try post(bytes, "br")
        try unknown.expectProblem(415, "coding-not-supported")
        #expect(unknown.headers["accept-encoding"] == "gzip")
        try post(bytes, "gzip, gzip").expectProblem(415, "coding-not-supported")
        // A hundred million blanks fit into a hundred thousand bytes.
        let bomb = try gzip(String(repeating: " ", count: 100_000_000))
        #expect(bomb.count < 200_000)
        let refused = try post(bomb)
        try refused.expectProblem(413, "body-too-large")
        #expect(try client.get("/livez").status == 200)
    }

    @Test("pages of the named origin may call, others may not") func crossOrigin() throws {
        let client = try LiveServer.client()
        let lab = ("Origin", "https://lab.example")
        let asked = [
            ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization,content-type"),
        ]
        let preflight = try client.request("OPTIONS", "/v1/sessions", headers: [lab] + asked)
        #expect(preflight.status == 204)
        #expect(preflight.headers["access-control-allow-origin"] == "https://lab.example")
        #expect(preflight.headers["access-control-allow-methods"]?.contains("POST") == true)
        #expect(preflight.headers["access-control-allow-headers"] == "authorization,content-type")
        #expect(preflight.headers["vary"]?.contains("origin") == true)
        for (path, status) in [("/v1/models", 200), ("/v1/sessions/nobody", 404), ("/nowhere", 404)] {
            let reply = try client.request("GET", path, headers: [lab])
            #expect(reply.status == status && reply.headers["access-control-allow-origin"] == "https://lab.example")
            #expect(reply.headers["access-control-expose-headers"]?.contains("x-request-id") == true)
        }
        let other = try client.request("OPTIONS", "/v1/sessions", headers: [("Origin", "https://evil.example")] + asked)
        #expect(other.status == 204 && other.headers["allow"] != nil)
        #expect(other.headers["access-control-allow-origin"] == nil)
        #expect(try client.get("/livez").headers["access-control-allow-origin"] == nil)
    }

    @Test("who accepts nothing of what there is gets 406, and the best of two that are there") func accept() throws {
        let client = try LiveServer.client()
        let id = try client.post("/v1/sessions", #"{"model":"letters","text":"abc"}"#).string("id")
        try client.request("GET", "/v1/models", headers: [("Accept", "text/html")]).expectProblem(406, "not-acceptable")
        for accepted in [
            "*/*", "text/html, */*;q=0.1", "application/*", "application/json;q=0.5", "application/problem+json",
        ] {
            #expect(
                try client.request("GET", "/v1/models", headers: [("Accept", accepted)]).status == 200, "\(accepted)")
        }
        for (accepted, type) in [
            ("text/event-stream", "text/event-stream"), ("*/*", "application/x-ndjson"),
            ("application/x-ndjson, text/event-stream;q=0.9", "application/x-ndjson"),
            ("application/x-ndjson;q=0.1, text/event-stream", "text/event-stream"),
            ("text/event-stream, */*;q=0.1", "text/event-stream"), ("application/json", "application/x-ndjson"),
        ] {
            let reply = try client.post(
                "/v1/sessions/\(id)/generate", #"{"max_tokens":1,"stream":true}"#, headers: [("Accept", accepted)])
            #expect(reply.headers["content-type"] == type, "\(accepted)")
        }
    }
}
