import Recurrent
import Sessions
import TestSupport
import Testing

@testable import Inference

@Suite("More sessions at work than the memory has room for")
struct CrowdTests {
    private static let clients = 12

    /// What one client does to its own session, and what the session has absorbed by then.
    private func work(_ id: String, _ seed: Int, on server: DurableServer) async throws -> [Int] {
        var random = SeededGenerator(seed: UInt64(seed))
        var tokens = [seed % 8]
        var kept: [Int]?
        for turn in 0..<60 {
            switch Int.random(in: 0..<6, using: &random) {
            case 0 where kept == nil:
                _ = try await server.act(id, .checkpoint(name: "here"))
                kept = tokens
            case 0:
                #expect(try await server.act(id, .rewind(.checkpoint("here"))).step == kept!.count)
                _ = try await server.act(id, .deleteCheckpoint(name: "here"))
                (tokens, kept) = (kept!, nil)
            case 1:
                let more = (0..<40).map { _ in Int.random(in: 0..<8, using: &random) }
                tokens += more
                #expect(try await server.absorb(id, more).step == tokens.count)
            case 2:
                let completion = try await server.absorb(id, [1], generating: 5)
                tokens += [1] + completion.generated!.tokens
                #expect(completion.step == tokens.count)
            default:
                tokens.append(turn % 8)
                var step = Work(model: server.model.id, target: .session(id), input: .tokens([turn % 8]))
                step.idempotency = Work.Idempotency(key: "\(turn)", digest: "") { _ in [UInt8](repeating: 0, count: 200)
                }
                #expect(try await server.scheduler.run(step).step == tokens.count)
            }
        }
        return tokens
    }

    @Test("work on one makes room for work on another, and all come through", arguments: Durability.allCases)
    func crowd(durability: Durability) async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        let cost = model.model.state.bytes + SessionTable.overheadBytes
        // Names and places of all, eight replies and the states of three; an eighth is kept free.
        let budget = Self.clients * SessionTable.overheadBytes + 8 * 300 + 10 * cost
        let server = try DurableServer(model, in: folder.path, budget: budget)
        for client in 0..<Self.clients { try await server.create("s\(client)", durability, [client % 8]) }
        try await withThrowingTaskGroup(of: (Int, [Int]).self) { group in
            for client in 0..<Self.clients {
                group.addTask { (client, try await work("s\(client)", client, on: server)) }
            }
            for try await (client, tokens) in group {
                #expect(try await server.state("s\(client)").bits == model.state(after: tokens))
            }
        }
        #expect(server.sessions.count == Self.clients)
        server.stop()
    }
}
