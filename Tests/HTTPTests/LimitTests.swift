import EventLoop
import Testing

@testable import HTTP

@Suite("Limits of connections and bodies")
struct LimitTests {
    @Test("one connection too many from an address is told so, and those of others are not touched") func perAddress()
        throws
    {
        var limits = HTTPLimits()
        limits.connectionsPerAddress = 2
        try withServer(limits: limits) { server, port in
            let clients = try (0..<2).map { _ in try RawClient(port) }
            for client in clients { #expect(try client.get("/hello").status == 200) }
            let third = try RawClient(port)
            let refusal = try third.reply()
            #expect(refusal.status == 429 && refusal.fields["retry-after"] == "1")
            #expect(refusal.text.hasPrefix("too-many-connections"))
            #expect(third.isAtEnd)
            for client in clients { #expect(try client.get("/hello").status == 200) }
            #expect(server.connections.refused == 1)
        }
    }

    @Test("connections are counted by address, and all that came leave") func census() {
        var limits = HTTPLimits()
        (limits.connections, limits.connectionsPerAddress) = (3, 2)
        let census = Census(limits)
        func peer(_ last: UInt64) -> PeerAddress {
            PeerAddress(family: .four, high: 0x7f00_0000_0000_0000 | last << 32, low: 0, port: 1)
        }
        #expect([peer(1), peer(1)].map(census.enter) == [.welcome, .welcome])
        #expect(census.enter(peer(1)) == .tooManyFromAddress)
        #expect(census.enter(peer(2)) == .tooMany)
        _ = census.leave(peer(1))
        _ = census.leave(peer(2))
        #expect(census.enter(peer(2)) == .welcome && census.enter(.none) == .tooMany)
        for left in [peer(1), peer(1), peer(2)] { _ = census.leave(left) }
        #expect(census.leave(.none) == 0 && census.acceptedSoFar == 6 && census.refusedSoFar == 3)
    }

    @Test("an address whose connections have left may come again") func addressAgain() {
        var limits = HTTPLimits()
        limits.connectionsPerAddress = 1
        let census = Census(limits)
        let peer = PeerAddress(family: .four, high: 0x7f00_0001_0000_0000, low: 0, port: 1)
        for _ in 0..<3 {
            #expect(census.enter(peer) == .welcome)
            #expect(census.leave(peer) == 0)
        }
    }

    @Test("a connection makes so many requests, and the last says so") func requests() throws {
        var limits = HTTPLimits()
        limits.requestsPerConnection = 3
        try withServer(limits: limits) { _, port in
            let client = try RawClient(port)
            for _ in 0..<2 { #expect(try client.get("/hello").fields["connection"] == nil) }
            let last = try client.get("/hello")
            #expect(last.status == 200 && last.fields["connection"] == "close" && client.isAtEnd)
        }
    }

    @Test("a body that drips is cut off") func slowBody() throws {
        var limits = HTTPLimits()
        (limits.bodyTime, limits.bodyRate) = (.milliseconds(200), 1 << 30)
        try withServer(limits: limits) { _, port in
            let client = try RawClient(port)
            try client.send("POST /count HTTP/1.1\r\nHost: t\r\nContent-Length: 16000000\r\n\r\n")
            // Never silent for long, and never done.
            var reply: RawClient.Reply?
            for _ in 0..<15_000_000 {
                do { try client.send([1]) } catch { break }
                if client.hasInput {
                    reply = try client.reply()
                    break
                }
            }
            #expect(reply?.status == 408 && reply?.text.hasPrefix("body-too-slow") == true)
        }
    }

    @Test("a body that drips faster than it must is taken, though it takes longer than one part may")
    func fastEnough() throws {
        var limits = HTTPLimits()
        // One byte at a time comes at more than 4 KiB a second and less than 4 MiB.
        (limits.bodyTime, limits.bodyRate) = (.milliseconds(200), 4096)
        try withServer(limits: limits) { _, port in
            let client = try RawClient(port)
            try client.send("POST /count HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
            let begun = ContinuousClock.now
            while ContinuousClock.now - begun < .milliseconds(300), !client.hasInput { try client.send("1\r\nx\r\n") }
            try client.send("0\r\n\r\n")
            #expect(try client.reply().status == 200)
        }
    }

    @Test("addresses are written as people write them") func addresses() {
        #expect(PeerAddress(family: .four, high: 0x7f00_0001_0000_0000, low: 0, port: 1).text == "127.0.0.1")
        #expect(
            PeerAddress(family: .six, high: 0x2001_0db8_0000_0000, low: 0x0000_0000_0000_00ff, port: 1).text
                == "2001:db8:0:0:0:0:0:ff")
        #expect(PeerAddress.none.text == "unix" && PeerAddress.none.host == nil)
        let (one, other) = (
            PeerAddress(family: .six, high: 7, low: 1, port: 1), PeerAddress(family: .six, high: 7, low: 2, port: 2)
        )
        #expect(one.host == other.host)
    }

    @Test("replies that wait for slow readers are bounded together: the one that waits longest is dropped")
    func unsent()
        throws
    {
        var limits = HTTPLimits()
        limits.unsentBytes = 50 << 20
        try withServer(limits: limits) { server, port in
            // Each reads the head of a reply of 16 MiB and no more, so that the next one waits behind it.
            let clients = try (0..<6).map { _ in
                let client = try RawClient(port)
                try client.send("GET /huge HTTP/1.1\r\nHost: t\r\n\r\n")
                #expect(try client.head().status == 200)
                return client
            }
            // Answered behind all of them on the one loop.
            let witness = try RawClient(port)
            #expect(try witness.get("/hello").status == 200)
            #expect(server.unsent.bytes <= limits.unsentBytes && server.unsent.bytes >= 16 << 20)
            #expect(server.unsent.dropped == 3)
            // Those that have waited longest are gone, the others get all of it.
            for client in clients[..<3] { #expect((try? client.take(16 << 20)) == nil) }
            for client in clients[3...] { #expect(try client.take(16 << 20).count == 16 << 20) }
            #expect(try witness.get("/hello").status == 200)
            #expect(server.unsent.bytes == 0)
        }
    }

    @Test("a reply larger than all that may wait goes to a reader that is alone") func alone() throws {
        var limits = HTTPLimits()
        limits.unsentBytes = 1 << 20
        try withServer(limits: limits) { server, port in
            let client = try RawClient(port)
            for _ in 0..<3 { #expect(try client.get("/huge").body.count == 16 << 20) }
            #expect(server.unsent.dropped == 0)
        }
    }
}
