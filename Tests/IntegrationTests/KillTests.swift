import Foundation
import JSON
import TestSupport
import Testing

/// One session as its client knows it, whatever becomes of the server.
private struct Story {
    let id: String
    /// What it has absorbed, as far as replies have told.
    var tokens: [Int] = []
    /// The request that was sent last and not answered: its operation, its body, its key.
    var open: (operation: String, body: String, key: String)?
    var requests = 0

    /// The next request.
    mutating func next(_ random: inout SeededGenerator) {
        requests += 1
        let some = (0..<Int.random(in: 1...12, using: &random)).map { _ in Int.random(in: 0..<18, using: &random) }
        let expected = ",\"expected_step\":\(tokens.count)"
        switch Int.random(in: 0..<5, using: &random) {
        case 0: open = ("prefill", "{\"tokens\":\(some),\"return\":\"none\"\(expected)}", "\(requests)")
        case 1: open = ("generate", "{\"tokens\":\(some),\"max_tokens\":5\(expected)}", "\(requests)")
        default: open = ("step", "{\"token\":\(some[0])\(expected)}", "\(requests)")
        }
    }

    /// Sends what is open; when it is answered the story goes on.
    mutating func send(_ client: HTTPClient) throws -> HTTPReply {
        let (operation, body, key) = open!
        let reply = try client.post("/v1/sessions/\(id)/\(operation)", body, headers: [("Idempotency-Key", key)])
        try #require(reply.status == 200, "\(id): \(reply.text)")
        let sent = try JSONDocument(parsing: Array(body.utf8)).root
        tokens += sent["tokens"]?.ints() ?? [sent["token"]!.int!]
        if operation == "generate" { tokens += try reply.ints("tokens") }
        try #require(try reply.int("step") == tokens.count, "\(id): \(reply.text)")
        open = nil
        return reply
    }
}

@Suite("kill -9")
struct KillTests {
    private static let rounds = ProcessInfo.processInfo.environment["SCANSTEP_KILL_ROUNDS"].flatMap { Int($0) } ?? 30

    @Test("loses no step that was answered and doubles none, however often it comes", .timeLimit(.minutes(60)))
    func rounds() throws {
        let (models, state) = (TemporaryFolder(), TemporaryFolder())
        LiveModels.letters(models)
        // Memory for a third of the sessions: the others are on disk at any time.
        let arguments = [
            "--state-dir", state.path + "/state", "--durability", "sync", "--session-memory", "20KiB", "--threads", "1",
        ]
        var random = SeededGenerator(seed: 9)
        var server = try ServerProcess(serving: models, arguments)
        let bytes = try server.client().create("size", of: "letters").int("state_bytes")
        try #require(20 * 1024 > 6 * (bytes + 256) && 20 * 1024 < 24 * (bytes + 256), "states of \(bytes) bytes")
        var stories = (0..<24).map { Story(id: "s\($0)") }
        for story in stories { try server.client().create(story.id, of: "letters") }

        for round in 0..<Self.rounds {
            stories = try work(stories, on: server, untilAnswered: Int.random(in: 1...60, using: &random), round)
            server.waitForExit()
            server = try ServerProcess(serving: models, arguments)
            let client = server.client()
            for index in stories.indices {
                let answered = stories[index].tokens.count
                let step = try client.step(of: stories[index].id)
                if stories[index].open == nil {
                    #expect(step == answered, "round \(round): \(stories[index].id)")
                } else {
                    // It was done or it was not; sent again it has been done once.
                    let reply = try stories[index].send(client)
                    let isReplayed = reply.headers["idempotent-replayed"] != nil
                    #expect(step == (isReplayed ? stories[index].tokens.count : answered), "round \(round)")
                }
                #expect(try client.step(of: stories[index].id) == stories[index].tokens.count, "round \(round)")
            }
            for story in stories where round % 10 == 9 || story.id == "s\(round % 24)" { try check(story, client) }
        }
        for story in stories { try check(story, server.client()) }
        #expect(server.terminate() == 0, "\(server.errorText)")
    }

    /// Four clients work until so many requests have been answered; then the server is killed.
    private func work(
        _ stories: [Story], on server: ServerProcess, untilAnswered limit: Int, _ round: Int
    ) throws -> [Story] {
        let lock = NSLock()
        nonisolated(unsafe) var (left, failures): (Int, [any Error]) = (limit, [])
        nonisolated(unsafe) var result = stories
        nonisolated(unsafe) let server = server
        DispatchQueue.concurrentPerform(iterations: 4) { worker in
            var random = SeededGenerator(seed: UInt64(1000 * round + worker))
            let client = unsafe HTTPClient(port: server.port)
            // A story has one worker.
            let mine = stories.indices.filter { $0 % 4 == worker }
            while lock.withLock({ unsafe left > 0 }) {
                let index = mine.randomElement(using: &random)!
                var story = lock.withLock { unsafe result[index] }
                if story.open == nil { story.next(&random) }
                do {
                    _ = try story.send(client)
                } catch let error as HTTPClientError {
                    // Nothing is wrong with a server that has been killed.
                    lock.withLock { if unsafe left > 0 { unsafe failures.append(error) } }
                } catch {
                    lock.withLock { unsafe failures.append(error) }
                }
                lock.withLock {
                    unsafe result[index] = story
                    unsafe left -= 1
                    if unsafe left == 0 { unsafe server.send(signal: SIGKILL) }
                }
            }
        }
        if let error = unsafe failures.first { throw error }
        return unsafe result
    }

    /// The session's state must be, byte for byte, that of a fresh sequence which has absorbed the same.
    private func check(_ story: Story, _ client: HTTPClient) throws {
        guard !story.tokens.isEmpty else { return }
        let state = try client.get("/v1/sessions/\(story.id)/state")
        let body =
            "{\"model\":\"letters\",\"sequences\":[{\"tokens\":\(story.tokens),\"return_state\":true}],\"return\":\"none\"}"
        let replay = try client.post("/v1/prefill", body)
        let base64 = try #require(try replay.json["results"]?.elements.first { _ in true }?["state"]?.string)
        #expect(state.body == [UInt8](try #require(Data(base64Encoded: base64))), "\(story.id)")
    }
}
