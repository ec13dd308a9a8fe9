import EventLoop
import HTTP
import Synchronization
import Testing
import Threading

struct LifetimeTests {
    private static let deadline = Duration.seconds(20)

    @Test("A slow reader slows the writer")
    func backPressure() throws {
        let meeting = Meeting()
        try withServer(meeting) { _, port in
            let client = try RawClient(port, receiveBuffer: 1 << 16)
            try client.send("GET /endless HTTP/1.1\r\nHost: t\r\n\r\n")
            _ = try client.head()
            var read = 0
            while read < 32 << 20 {
                read += try client.chunk().count
                #expect(meeting.count.load(ordering: .relaxed) - read < 8 << 20)
            }
        }
    }

    @Test("A client that goes in the middle of a stream makes the writer throw")
    func goneWhileStreaming() throws {
        let meeting = Meeting()
        try withServer(meeting) { _, port in
            do {
                let client = try RawClient(port)
                try client.send("GET /endless HTTP/1.1\r\nHost: t\r\n\r\n")
                _ = try client.chunk(after: client.head())
            }
            #expect(meeting.ended.wait(until: .now + Self.deadline))
        }
    }

    @Test(
        "A client that goes while the handler waits, by a reset or in good order, is reported and the task is cancelled",
        arguments: [true, false])
    func goneWhileWaiting(reset: Bool) throws {
        let meeting = Meeting()
        try withServer(meeting) { server, port in
            do {
                let client = try RawClient(port)
                try client.send("GET /watch HTTP/1.1\r\nHost: t\r\n\r\n")
                #expect(meeting.arrived.wait(until: .now + Self.deadline))
                if reset { client.resetOnClose() }
            }
            #expect(meeting.ended.wait(until: .now + Self.deadline))
            #expect(server.drain(within: Self.deadline))
        }
    }

    @Test("A drain lets a running request finish, closes idle connections and refuses new ones")
    func drain() throws {
        let meeting = Meeting()
        let server = try HTTPServer(doors: [.init(.tcp(host: "127.0.0.1", port: 0), drainRoutes(meeting))], loops: 2)
        let port = try server.start()[0]
        let idle = try RawClient(port)
        #expect(try idle.get("/hello").status == 200)
        let busy = try RawClient(port)
        try busy.send("GET /wait HTTP/1.1\r\nHost: t\r\n\r\n")
        #expect(meeting.arrived.wait(until: .now + Self.deadline))
        let drained = Latch()
        let isClean = Atomic(false)
        // A thread of its own: tests that block may have taken all of the pool that tasks share.
        let draining = Thread {
            isClean.store(server.drain(within: Self.deadline), ordering: .sequentiallyConsistent)
            drained.open()
        }
        #expect(idle.isAtEnd)
        #expect(server.isDraining)
        #expect(throws: RawClient.Ended.self) { try RawClient(port) }
        meeting.letGo()
        let reply = try busy.reply()
        #expect(reply.text == "true")
        #expect(reply.fields["connection"] == "close")
        #expect(busy.isAtEnd)
        #expect(drained.wait(until: .now + Self.deadline))
        draining.join()
        let wasClean = isClean.load(ordering: .sequentiallyConsistent)
        #expect(wasClean)
    }

    private func drainRoutes(_ meeting: Meeting) -> Router {
        var router = Router()
        router.on(.get, "/hello") { _ in Response(text: "hello") }
        router.on(.get, "/wait") { request in
            await meeting.wait()
            return Response(text: "\(request.isDraining)")
        }
        return router
    }

    @Test("What still runs at the end of a drain is cancelled and closed")
    func drainDeadline() throws {
        let meeting = Meeting()
        try withServer(meeting) { server, port in
            let client = try RawClient(port)
            try client.send("GET /wait HTTP/1.1\r\nHost: t\r\n\r\n")
            #expect(meeting.arrived.wait(until: .now + Self.deadline))
            #expect(!server.drain(within: .milliseconds(5)))
            #expect(client.isAtEnd)
        }
    }

    @Test("A head that takes too long is 408, and a silent connection is closed without a word")
    func timeouts() throws {
        var limits = HTTPLimits()
        limits.headTime = .milliseconds(5)
        limits.bodyTime = .milliseconds(5)
        try withServer(limits: limits) { _, port in
            let slow = try RawClient(port)
            try slow.send("GET / HT")
            #expect(try slow.reply().status == 408)
            let stuck = try RawClient(port)
            try stuck.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab")
            #expect(try stuck.reply().status == 408)
        }
        limits.idleTime = .milliseconds(5)
        try withServer(limits: limits) { _, port in
            let silent = try RawClient(port)
            #expect(silent.isAtEnd)
        }
    }

    @Test("One connection too many is told 503")
    func connectionLimit() throws {
        var limits = HTTPLimits()
        limits.connections = 2
        try withServer(limits: limits) { _, port in
            let first = try RawClient(port)
            let second = try RawClient(port)
            #expect(try first.get("/hello").status == 200)
            #expect(try second.get("/hello").status == 200)
            let third = try RawClient(port)
            let reply = try third.reply()
            #expect(reply.status == 503)
            #expect(reply.fields["connection"] == "close")
        }
    }
}

extension RawClient {
    /// The first chunk after a head.
    fileprivate func chunk(after head: (status: Int, fields: [String: String])) throws -> [UInt8] { try chunk() }
}
