import Foundation
import JSON
import TestSupport
import Testing

@Suite("Full-duplex streams", .server(LiveModels.both))
struct DuplexTests {
    /// A stream on a session of `letters`, in chunks.
    private func open(_ query: String = "", _ headers: String = "") throws -> (id: String, socket: RawSocket) {
        let id = try LiveServer.client().post("/v1/sessions", #"{"model":"letters"}"#).string("id")
        let socket = try LiveServer.socket()
        try socket.send(
            "POST /v1/sessions/\(id)/stream\(query) HTTP/1.1\r\nHost: t\r\n\(headers)Transfer-Encoding: chunked\r\n\r\n"
        )
        let head = try socket.read(until: "\r\n\r\n")
        #expect(head.hasPrefix("HTTP/1.1 200"), "\(head)")
        return (id, socket)
    }

    private func send(_ text: String, to socket: RawSocket) throws {
        try socket.send("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n")
    }

    /// The next chunk of the reply, each of which is one line.
    private func line(_ socket: RawSocket) throws -> String {
        let size = try #require(Int(try socket.read(until: "\r\n").dropLast(), radix: 16))
        let text = String(decoding: try socket.read(count: size + 2).dropLast(2), as: UTF8.self)
        #expect(text.isEmpty || text.hasSuffix("\n"))
        return String(text.dropLast())
    }

    @Test("each line is answered at once, with what a single step would say") func atOnce() throws {
        let client = try LiveServer.client()
        let twin = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
        let (_, socket) = try open()
        for token in [1, 5, 3, 1] {
            try send("{\"token\":\(token),\"logits\":true}\n", to: socket)
            let reply = try line(socket)
            let single = try client.act("step", on: twin, "\"token\":\(token),\"logits\":true")
            #expect(RawJSON.member("output", of: reply) == (try single.raw("output")))
            #expect(RawJSON.member("step", of: reply) == (try single.raw("step")))
        }
        try socket.send("0\r\n\r\n")
        #expect(try line(socket) == #"{"done":true,"step":4,"steps":4,"errors":0,"reason":"end"}"#)
        #expect(try line(socket).isEmpty)
        // The connection goes on.
        try socket.send("GET /livez HTTP/1.1\r\nHost: t\r\n\r\n")
        #expect(try socket.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
    }

    @Test("a line may be cut anywhere, by chunks and by packets, and several may come at once") func cuts() throws {
        let text = "{\"token\":1}\r\n\n  \n{\"token\":2}\n{\"token\":3}"
        var expected: [String] = []
        for cut in 0...text.utf8.count {
            let (id, socket) = try open()
            for part in [text.utf8.prefix(cut), text.utf8.dropFirst(cut)] where !part.isEmpty {
                for byte in "\(String(part.count, radix: 16))\r\n".utf8 { try socket.send([byte]) }
                try socket.send(Array(part))
                try socket.send("\r\n")
            }
            try socket.send("0\r\n\r\n")
            var lines: [String] = []
            while case let line = try line(socket), !line.isEmpty { lines.append(line) }
            if expected.isEmpty { expected = lines }
            #expect(lines == expected, "cut before byte \(cut)")
            #expect(lines.count == 4)
            #expect(try LiveServer.client().step(of: id) == 3)
        }
    }

    @Test("what is wrong with a line is a line, and the stream goes on") func errors() throws {
        let (id, socket) = try open()
        let cases = [
            ("no JSON", 400, "invalid-json"), ("[]", 422, "invalid-input"), ("{}", 422, "invalid-input"),
            (#"{"token":99}"#, 422, "invalid-input"), (#"{"token":1,"expected_step":7}"#, 412, "step-mismatch"),
            (#"{"token":1,"tokn":1}"#, 422, "invalid-input"), (#"{"vector":[1,2,3]}"#, 422, "invalid-input"),
        ]
        for (text, status, slug) in cases {
            try send(text + "\n", to: socket)
            let error = try #require(RawJSON.member("error", of: try line(socket)), "\(text)")
            #expect(RawJSON.member("status", of: error) == "\(status)", "\(text)")
            #expect(RawJSON.member("type", of: error) == "\"urn:scanstep:\(slug)\"", "\(text)")
        }
        try send(#"{"token":1,"expected_step":0}"# + "\n", to: socket)
        #expect(RawJSON.member("step", of: try line(socket)) == "1")
        try socket.send("0\r\n\r\n")
        #expect(try line(socket) == #"{"done":true,"step":1,"steps":1,"errors":7,"reason":"end"}"#)
        #expect(try LiveServer.client().step(of: id) == 1)
    }

    @Test("a client that ends its side ends the stream in order; half a line is no line") func halfClose() throws {
        let (whole, socket) = try open()
        try send("{\"token\":1}\n", to: socket)
        _ = try line(socket)
        socket.finishSending()
        #expect(try line(socket).hasSuffix(#""steps":1,"errors":0,"reason":"end"}"#))
        #expect(try line(socket).isEmpty)
        #expect(try socket.readUntilClose().isEmpty)
        #expect(try LiveServer.client().step(of: whole) == 1)

        let (half, other) = try open()
        try send("{\"token\":1}\n{\"tok", to: other)
        _ = try line(other)
        other.finishSending()
        #expect(try line(other).contains("body-cut-short"))
        #expect(try line(other).hasSuffix(#""steps":1,"errors":1,"reason":"input"}"#))
        #expect(try LiveServer.client().step(of: half) == 1)
    }

    @Test("a session that is deleted ends the stream, and one that takes its name is not touched") func deleted() throws
    {
        let client = try LiveServer.client()
        let (id, socket) = try open()
        try send("{\"token\":1}\n", to: socket)
        _ = try line(socket)
        #expect(try client.request("DELETE", "/v1/sessions/" + id).status == 204)
        try client.create(id, of: "letters")
        try send("{\"token\":1}\n", to: socket)
        #expect(try line(socket).contains("session-gone"))
        #expect(try line(socket).hasSuffix(#""reason":"session"}"#))
        #expect(try client.step(of: id) == 0)
    }

    @Test("others may step between two lines") func between() throws {
        let (id, socket) = try open()
        try send("{\"token\":1}\n", to: socket)
        #expect(RawJSON.member("step", of: try line(socket)) == "1")
        #expect(try LiveServer.client().act("step", on: id, #""token":2"#).int("step") == 2)
        try send("{\"token\":3}\n", to: socket)
        #expect(RawJSON.member("step", of: try line(socket)) == "3")
    }

    @Test("server-sent events have the step as their id") func events() throws {
        let (_, socket) = try open("", "Accept: text/event-stream\r\n")
        try send("{\"token\":1}\n", to: socket)
        #expect(try line(socket).hasPrefix("id: 1\ndata: {\"step\":1,"))
        try send("x\n", to: socket)
        #expect(try line(socket).hasPrefix("event: error\ndata: {\"error\":"))
        try socket.send("0\r\n\r\n")
        #expect(try line(socket).hasPrefix("event: done\nid: 1\ndata: {\"done\":true"))
    }

    @Test("a silence is filled for who wants that") func stillThere() throws {
        let (_, socket) = try open("?keep_alive_seconds=1")
        #expect(try line(socket).isEmpty)
        try send("{\"token\":1}\n", to: socket)
        #expect(RawJSON.member("step", of: try line(socket)) == "1")
    }

    @Test("a line that is too long ends the stream") func longLine() throws {
        let (_, socket) = try open()
        let part = String(repeating: " ", count: 64 << 10)
        for _ in 0..<17 { try send(part, to: socket) }
        #expect(try line(socket).contains("line-too-long"))
        #expect(try line(socket).hasSuffix(#""reason":"input"}"#))
    }

    @Test("what cannot begin is refused with a status of its own") func refusals() throws {
        let client = try LiveServer.client()
        try client.post("/v1/sessions/nobody/stream", "").expectProblem(404, "session-not-found")
        let id = try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id")
        let path = "/v1/sessions/\(id)/stream"
        try client.post(path, "", headers: [("Idempotency-Key", "k")]).expectProblem(422, "invalid-input")
        try client.post(path, "", headers: [("Content-Encoding", "gzip")])
            .expectProblem(415, "coding-not-supported")
        try client.post(path, "", headers: [("Accept", "text/html")]).expectProblem(406, "not-acceptable")
        try client.post(path + "?keep_alive_seconds=0", "").expectProblem(422, "invalid-input")
        #expect(try client.post(path, "").text.hasSuffix(#""steps":0,"errors":0,"reason":"end"}"# + "\n"))
    }

    @Test("a client that does not read is not read from, and loses nothing") func backPressure() throws {
        let (id, socket) = try open()
        let writer = DispatchQueue(label: "writer")
        let done = DispatchSemaphore(value: 0)
        let count = 3000
        // Each answer has hundreds of bytes: more than the sockets' buffers hold in all.
        let lines = String(repeating: "{\"token\":1,\"top_logprobs\":1000}\n", count: 100)
        nonisolated(unsafe) let stream = socket
        writer.async {
            for _ in 0..<(count / 100) {
                unsafe try? stream.send("\(String(lines.utf8.count, radix: 16))\r\n\(lines)\r\n")
            }
            unsafe try? stream.send("0\r\n\r\n")
            done.signal()
        }
        for step in 1...count { #expect(RawJSON.member("step", of: try line(socket)) == "\(step)") }
        #expect(try line(socket).contains("\"steps\":\(count),"))
        done.wait()
        #expect(try LiveServer.client().step(of: id) == count)
    }
}
