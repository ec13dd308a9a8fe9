import EventLoop
import HTTP
import Synchronization

/// Lets a test and a handler meet: the handler announces itself and waits, the test lets it go on.
final class Meeting: Sendable {
    let arrived = Latch()
    let ended = Latch()
    let count = Atomic<Int>(0)
    private let stream: AsyncStream<Void>
    private let gate: AsyncStream<Void>.Continuation

    init() { (stream, gate) = AsyncStream.makeStream() }

    func wait() async {
        arrived.open()
        for await _ in stream { break }
    }

    func letGo() { gate.yield() }
}

/// Runs a server with the routes of these tests.
func withServer(
    _ meeting: Meeting = Meeting(), loops: Int = 1, limits: HTTPLimits = HTTPLimits(),
    _ body: (HTTPServer, Int) throws -> Void
) throws {
    let server = try HTTPServer(
        doors: [.init(.tcp(host: "127.0.0.1", port: 0), routes(meeting))], loops: loops, limits: limits)
    let port = try server.start()[0]
    defer { server.drain(within: .milliseconds(0)) }
    try body(server, port)
}

private func routes(_ meeting: Meeting) -> Router {
    struct Unexpected: Error {}
    var router = Router()
    router.on(.get, "/hello") { _ in Response(text: "hello") }
    router.on(.get, "/echo/{name}") { Response(text: $0.parameters["name"]) }
    router.on(.get, "/padded/{name}") { request in
        let name = request.parameters["name"]
        return Response(text: name + String(repeating: " ", count: 4000 - name.utf8.count))
    }
    router.on(.get, "/id") { Response(text: $0.id) }
    router.on(.get, "/large") { _ in Response(type: "a/b", [UInt8](repeating: 7, count: 3_000_000)) }
    router.on(.get, "/huge") { _ in Response(type: "a/b", [UInt8](repeating: 7, count: 16 << 20)) }
    router.on(.get, "/nothing") { _ in Response(.noContent) }
    router.on(.get, "/fails") { _ in throw Unexpected() }
    router.on(.post, "/count") { Response(text: "\(try await $0.body().count)") }
    router.on(.post, "/echo") { Response(type: "a/b", try await $0.body()) }
    router.on(.post, "/small") { Response(type: "a/b", try await $0.body(upTo: 10)) }
    router.on(.post, "/ignore") { _ in Response(text: "ignored") }
    router.on(.get, "/wait") { _ in
        await meeting.wait()
        return Response(text: "waited")
    }
    router.on(.get, "/watch") { request in
        request.whenClientGone { meeting.ended.open() }
        await meeting.wait()
        return Response()
    }
    router.on(.get, "/draining") { request in
        await meeting.wait()
        return Response(text: "\(request.isDraining)")
    }
    router.on(.get, "/stream") { _ in
        Response(
            body: .stream { writer in
                for word in ["one", "two", "three"] { try await writer.write(word) }
                try await writer.finish()
            })
    }
    router.on(.get, "/cut") { _ in
        Response(
            body: .stream { writer in
                try await writer.write("part")
                throw Unexpected()
            })
    }
    router.on(.get, "/endless") { _ in
        Response(
            body: .stream { writer in
                let piece = [UInt8](repeating: 1, count: 1 << 16)
                defer { meeting.ended.open() }
                while true {
                    try await writer.write(piece)
                    meeting.count.add(piece.count, ordering: .relaxed)
                }
            })
    }
    router.on(.post, "/duplex") { request in
        Response(
            body: .stream { writer in
                while let part = try await request.nextBodyPart() { try await writer.write(part) }
                try await writer.finish()
            })
    }
    return router
}
