import HTTP
import Synchronization
import Testing

struct LiveTests {
    @Test("A connection is kept alive and replies carry what they must")
    func keepAlive() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            for _ in 0..<3 {
                let reply = try client.get("/hello")
                #expect(reply.status == 200)
                #expect(reply.text == "hello")
                #expect(reply.fields["server"] == "scanstep")
                #expect(reply.fields["content-type"] == "text/plain; charset=utf-8")
                #expect(reply.fields["date"]?.hasSuffix(" GMT") == true)
                #expect(reply.fields["x-request-id"]?.count == 16)
                #expect(reply.fields["connection"] == nil)
            }
            #expect(try client.get("/hello", "Connection: close\r\n").fields["connection"] == "close")
            #expect(client.isAtEnd)
        }
    }

    @Test("HTTP/1.0 closes unless asked not to")
    func oldVersion() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            try client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try client.reply().fields["connection"] == "keep-alive")
            try client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            let reply = try client.reply()
            #expect(reply.text == "onetwothree")
            #expect(reply.fields["connection"] == "close")
            #expect(reply.fields["transfer-encoding"] == nil)
        }
    }

    @Test("Ten requests in one write are answered in order")
    func pipelining() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            try client.send((0..<10).map { "GET /echo/\($0) HTTP/1.1\r\nHost: t\r\n\r\n" }.joined())
            for index in 0..<10 { #expect(try client.reply().text == "\(index)") }
        }
    }

    @Test("A request that arrives byte by byte is answered like any other")
    func byteByByte() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            for byte in "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n".utf8
            {
                try client.send([byte])
            }
            #expect(try client.reply().text == "ab")
        }
    }

    @Test("Bodies come with a length and in chunks, and the connection goes on after both")
    func bodies() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            let body = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: \(body.count)\r\n\r\n")
            try client.send(body)
            #expect(try client.reply().body == body)
            try client.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
            try client.send("5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: a\r\n\r\n")
            #expect(try client.reply().text == "hello!")
            #expect(try client.get("/large").body.count == 3_000_000)
        }
    }

    @Test("A thousand requests of a client that reads late are answered whole and in order")
    func pipeliningUnread() throws {
        try withServer { _, port in
            let client = try RawClient(port, receiveBuffer: 4096)
            for number in 0..<1000 { try client.send("GET /padded/\(number) HTTP/1.1\r\nHost: t\r\n\r\n") }
            try client.send("GET /hello HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            for number in 0..<1000 {
                let reply = try client.reply()
                #expect(reply.body.count == 4000 && reply.text.hasPrefix("\(number) "))
            }
            #expect(try client.reply().text == "hello")
            #expect(client.isAtEnd)
        }
    }

    @Test("A streamed reply arrives in its pieces")
    func streaming() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            try client.send("GET /stream HTTP/1.1\r\nHost: t\r\n\r\n")
            #expect(try client.head().fields["transfer-encoding"] == "chunked")
            for word in ["one", "two", "three", ""] {
                #expect(String(decoding: try client.chunk(), as: UTF8.self) == word)
            }
            #expect(try client.get("/hello").text == "hello")
        }
    }

    @Test("Request and reply can flow at the same time")
    func duplex() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            try client.send("POST /duplex HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
            #expect(try client.head().status == 200)
            for word in ["ab", "cd", "ef"] {
                try client.send("2\r\n\(word)\r\n")
                #expect(String(decoding: try client.chunk(), as: UTF8.self) == word)
            }
            try client.send("0\r\n\r\n")
            #expect(try client.chunk().isEmpty)
            #expect(try client.get("/hello").text == "hello")
        }
    }

    @Test("100 Continue is sent when the body is wanted, and only then")
    func expectContinue() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            let fields = "Host: t\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
            try client.send("POST /echo HTTP/1.1\r\n\(fields)")
            #expect(try client.reply().status == 100)
            try client.send("ok")
            #expect(try client.reply().text == "ok")
            try client.send("POST /duplex HTTP/1.1\r\n\(fields)")
            #expect(try client.reply().status == 100)
            #expect(try client.head().status == 200)
            try client.send("ok")
            #expect(try client.chunk() == Array("ok".utf8))
            #expect(try client.chunk().isEmpty)
            try client.send("POST /ignore HTTP/1.1\r\n\(fields)")
            let reply = try client.reply()
            #expect(reply.status == 200)
            #expect(reply.fields["connection"] == "close")
            #expect(client.isAtEnd)
        }
    }

    @Test("HEAD is GET without content, and 204 has neither content nor length")
    func noContent() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            try client.send("HEAD /hello HTTP/1.1\r\nHost: t\r\n\r\n")
            #expect(try client.reply(toHead: true).fields["content-length"] == "5")
            try client.send("HEAD /stream HTTP/1.1\r\nHost: t\r\n\r\n")
            #expect(try client.reply(toHead: true).fields["transfer-encoding"] == "chunked")
            let reply = try client.get("/nothing")
            #expect(reply.status == 204)
            #expect(reply.fields["content-length"] == nil)
            #expect(try client.get("/hello").text == "hello")
        }
    }

    @Test("A sane request id is returned, another is replaced")
    func requestID() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            let own = try client.get("/id", "X-Request-ID: a.B_1-2\r\n")
            #expect(own.fields["x-request-id"] == "a.B_1-2")
            #expect(own.text == "a.B_1-2")
            for bad in ["a b", "", "é", "a/b", String(repeating: "a", count: 129)] {
                let made = try client.get("/id", "X-Request-ID: \(bad)\r\n")
                #expect(made.text.count == 16)
                #expect(made.fields["x-request-id"] == made.text)
            }
        }
    }

    @Test("Paths, methods and unexpected errors have their statuses, and the connection goes on")
    func softErrors() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            #expect(try client.get("/none").status == 404)
            try client.send("DELETE /hello HTTP/1.1\r\nHost: t\r\n\r\n")
            let reply = try client.reply()
            #expect(reply.status == 405)
            #expect(reply.fields["allow"] == "GET, HEAD, OPTIONS")
            for (target, allowed) in [("/hello", "GET, HEAD, OPTIONS"), ("*", "GET, HEAD, OPTIONS, POST")] {
                try client.send("OPTIONS \(target) HTTP/1.1\r\nHost: t\r\n\r\n")
                let reply = try client.reply()
                #expect(reply.status == 204 && reply.fields["allow"] == allowed)
            }
            try client.send("TRACE /hello HTTP/1.1\r\nHost: t\r\n\r\n")
            let trace = try client.reply()
            #expect(trace.status == 405 && trace.fields["allow"] == "GET, HEAD, OPTIONS")
            #expect(try client.get("/fails").status == 500)
            #expect(try client.get("/hello").status == 200)
        }
    }

    @Test(
        "A request that breaks the framing or a limit is answered and its connection closed",
        arguments: [
            ("GET /\(String(repeating: "a", count: 9000))", 414),
            ("GET / HTTP/1.1\r\nA: \(String(repeating: "a", count: 17000))", 431),
            ("BREW / HTTP/1.1\r\nHost: t\r\n\r\n", 501),
            ("GET / HTTP/3.0\r\nHost: t\r\n\r\n", 505),
            ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            ("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX", 400),
            ("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: more\r\n\r\n", 417),
            ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 16777217\r\n\r\nabc", 413),
            ("POST /small HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n", 413),
            ("POST /ignore HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\nabc", 200),
        ])
    func hardErrors(_ text: String, _ status: Int) throws {
        try withServer { _, port in
            let client = try RawClient(port)
            try client.send(text)
            let reply = try client.reply()
            #expect(reply.status == status)
            #expect(reply.fields["connection"] == "close")
            #expect(reply.fields["x-request-id"] != nil)
            client.finishSending()
            #expect(client.isAtEnd)
        }
    }

    @Test("A small body that the handler leaves is dropped and the connection kept")
    func unread() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            try client.send("POST /ignore HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc")
            #expect(try client.reply().text == "ignored")
            try client.send(
                "POST /ignore HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            #expect(try client.reply().text == "ignored")
            #expect(try client.get("/hello").text == "hello")
        }
    }

    @Test("Replies to good requests come though a bad one behind them ends the connection")
    func repliesBeforeTheEnd() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            let good = String(repeating: "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n", count: 3)
            try client.send(good + "GET /hello HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n")
            for _ in 0..<4 { #expect(try client.reply().text == "hello") }
            #expect(client.isAtEnd)
        }
    }

    @Test("A client that has finished sending still gets its reply")
    func halfClosed() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            try client.send("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n")
            client.finishSending()
            #expect(try client.reply().text == "hello")
            #expect(client.isAtEnd)
        }
    }

    @Test("A client that waits long after it has finished sending is asked whether it is there, and gets its reply")
    func halfClosedWaiting() throws {
        let meeting = Meeting()
        try withServer(meeting) { _, port in
            let client = try RawClient(port)
            try client.send("GET /wait HTTP/1.1\r\nHost: t\r\n\r\n")
            client.finishSending()
            #expect(try client.reply().status == 100)
            meeting.letGo()
            #expect(try client.reply().status == 200)
            #expect(client.isAtEnd)
        }
    }

    @Test("A stream that fails ends without its last chunk")
    func truncation() throws {
        try withServer { _, port in
            let client = try RawClient(port)
            try client.send("GET /cut HTTP/1.1\r\nHost: t\r\n\r\n")
            _ = try client.head()
            #expect(try client.chunk() == Array("part".utf8))
            #expect(client.isAtEnd)
        }
    }

    @Test("Two hundred clients at once are all answered, on two loops")
    func manyClients() throws {
        try withServer(loops: 2) { _, port in
            let clients = try (0..<200).map { _ in try RawClient(port) }
            for round in 0..<3 {
                for (index, client) in clients.enumerated() {
                    try client.send("GET /echo/\(index)-\(round) HTTP/1.1\r\nHost: t\r\n\r\n")
                }
                for (index, client) in clients.enumerated() {
                    #expect(try client.reply().text == "\(index)-\(round)")
                }
            }
        }
    }
}
