import Sessions
import TestSupport
import Testing

@testable import Inference

@Suite("Servers one after the other over the same folder")
struct RestartTests {
    @Test("sessions made, moved and ended in any order are after each start what they were before", arguments: 0..<24)
    func restarts(seed: Int) async throws {
        let (model, folder, supply) = (try smallModel(), TemporaryFolder(), PowerSupply("restarts-\(seed)"))
        var random = SeededGenerator(seed: UInt64(seed))
        var options = supply.options
        // Now and then states are written behind the journal, and rows of it are forgotten.
        options.journalLimit = [200, 1000, 1 << 20][seed % 3]
        var server = try DurableServer(model, in: folder.path, options: options)
        var tokens: [String: [Int]] = [:]
        var names = 0
        for _ in 0..<12 {
            for _ in 0..<12 {
                let id = tokens.keys.sorted().randomElement(using: &random)
                switch (Int.random(in: 0..<8, using: &random), id) {
                case (0...1, _), (_, nil):
                    names += 1
                    // Names of sessions that have ended are taken again.
                    let id = tokens["s\(names % 5)"] == nil ? "s\(names % 5)" : "t\(names)"
                    tokens[id] = names % 3 == 0 ? [] : [names % 8]
                    try await server.create(id, .sync, tokens[id]!)
                case (2, let id?):
                    try await server.store.durable(try server.sessions.delete(id))
                    tokens[id] = nil
                case (_, let id?):
                    let more = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                        Int.random(in: 0..<8, using: &random)
                    }
                    tokens[id]! += more
                    #expect(try await server.absorb(id, more).step == tokens[id]!.count)
                }
            }
            if Bool.random(using: &random) {
                supply.cut()
                server.stop()
                #expect(supply.restore(seed: seed) >= 0)
            } else {
                server.stop()
            }
            server = try DurableServer(model, in: folder.path, options: options)
            #expect(server.sessions.count == tokens.count)
            for (id, tokens) in tokens where Bool.random(using: &random) {
                let state = try await server.state(id)
                #expect(state.step == tokens.count && state.bits == model.state(after: tokens), "\(id)")
            }
        }
        for (id, tokens) in tokens { #expect(try await server.state(id).bits == model.state(after: tokens), "\(id)") }
        server.stop()
    }

    @Test("a new session has no part in what the journal has of one that ended", arguments: 1...4)
    func ended(moves: Int) async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        var server = try DurableServer(model, in: folder.path)
        for id in ["stays", "ends"] { try await server.create(id, .sync) }
        // Of a session that goes on, so that the journal is not forgotten.
        try await server.absorb("stays", [1])
        for _ in 0..<moves { try await server.absorb("ends", [7]) }
        try await server.store.durable(try server.sessions.delete("ends"))
        var tokens: [Int] = []
        for start in 0..<4 {
            server.stop()
            server = try DurableServer(model, in: folder.path)
            if start == 0 { try await server.create("new", .sync) }
            #expect(try await server.state("new").bits == model.state(after: tokens))
            tokens.append(start)
            try await server.absorb("new", [start])
        }
        #expect(try await server.state("stays").bits == model.state(after: [1]))
        server.stop()
    }
}
