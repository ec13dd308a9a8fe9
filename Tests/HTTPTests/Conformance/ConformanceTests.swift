import EventLoop
import Testing

@testable import HTTP

@Suite("What RFC 9110 and RFC 9112 say of bytes")
struct ConformanceTests {
    private static let limits = {
        var limits = HTTPLimits()
        (limits.targetBytes, limits.headBytes, limits.fields) = (256, 512, 20)
        (limits.chunkExtensionBytes, limits.trailerBytes) = (128, 128)
        return limits
    }()

    private func read(_ pieces: [ArraySlice<UInt8>]) -> [String] {
        var reader = ConformanceReader(Self.limits)
        for piece in pieces { reader.read(piece) }
        return reader.end()
    }

    @Test("holds, however the bytes are cut", arguments: ConformanceCase.all)
    func inMemory(item: ConformanceCase) {
        let bytes = item.bytes
        #expect(read([bytes[...]]) == item.outcome)
        #expect(read(bytes.indices.map { bytes[$0...$0] }) == item.outcome, "byte by byte")
        for cut in bytes.indices {
            #expect(read([bytes[..<cut], bytes[cut...]]) == item.outcome, "cut before byte \(cut)")
        }
    }

    @Test("holds over sockets", arguments: ConformanceCase.all.filter { !$0.bytes.starts(with: "OPTIONS *".utf8) })
    func overSockets(item: ConformanceCase) throws {
        let server = try HTTPServer(
            doors: [.init(.tcp(host: "127.0.0.1", port: 0), Self.echo())], limits: Self.limits
        ) { error, _ in
            Response(error.status, text: error.slug)
        }
        let port = try server.start()[0]
        defer { server.drain(within: .milliseconds(0)) }
        // Whole, and in pieces of seven bytes.
        for length in [max(1, item.bytes.count), 7] {
            let client = try RawClient(port)
            for start in stride(from: 0, to: item.bytes.count, by: length) {
                // It may have been refused and closed by then.
                do { try client.send(Array(item.bytes[start...].prefix(length))) } catch { break }
            }
            client.finishSending()
            var outcome: [String] = []
            while let reply = try? client.reply(toHead: item.bytes.starts(with: "HEAD".utf8)) {
                if reply.status == 100 { continue }
                #expect(reply.fields["date"] != nil && reply.fields["x-request-id"] != nil)
                let isAccepted = reply.status == 200
                #expect(isAccepted || reply.fields["connection"] == "close")
                outcome.append(isAccepted ? reply.fields["x-summary"]! : "\(reply.status) \(reply.text)")
            }
            // Half a head is nothing to answer; half a body is.
            let isHalfBody = item.bytes.starts(with: "POST".utf8)
            let expected = item.outcome.flatMap { $0 != "waits" ? [$0] : isHalfBody ? ["400 body-cut-short"] : [] }
            #expect(outcome == expected)
        }
    }

    @Test("covers a good deal of it") func count() {
        #expect(ConformanceCase.all.count >= 150)
        #expect(Set(ConformanceCase.all.map(\.bytes)).count == ConformanceCase.all.count)
    }

    /// Says of every request what was understood of it.
    private static func echo() -> Router {
        var router = Router()
        for method in Method.allCases {
            for pattern in ["/", "/{a}", "/{a}/", "/{a}//{b}", "/{a}/{b}", "/{a}/{b}/{c}"] {
                router.on(method, pattern) { request in
                    let body = try await request.body()
                    return Response(fields: ["x-summary": request.head.summary(body: body)])
                }
            }
        }
        return router
    }
}
