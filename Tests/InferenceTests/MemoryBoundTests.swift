import Recurrent
import Sessions
import TestSupport
import Testing

@testable import Inference

@Suite("The memory for sessions is a bound")
struct MemoryBoundTests {
    /// Room for the places of so many sessions and the states of a few.
    private func budget(_ model: ServedModel, sessions: Int, states: Int) -> Int {
        sessions * SessionTable.overheadBytes + states * model.model.state.bytes
    }

    @Test(
        "sessions that come back from disk bring neither checkpoints nor replies, and have them all the same",
        arguments: Durability.allCases)
    func extras(durability: Durability) async throws {
        let (model, folder, count) = (try smallModel(), TemporaryFolder(), 60)
        let budget = budget(model, sessions: count, states: 24)
        let server = try DurableServer(model, in: folder.path, budget: budget)
        func step(_ id: String, _ token: Int, key: String) async throws -> Completion {
            var step = Work(model: model.id, target: .session(id), input: .tokens([token]))
            step.idempotency = Work.Idempotency(key: key, digest: "\(token)") { Array("at \($0.step)".utf8) }
            return try await server.scheduler.run(step)
        }
        for index in 0..<count {
            try await server.create("s\(index)", durability)
            for turn in 1...6 {
                _ = try await step("s\(index)", (index + turn) % 8, key: "k\(turn)")
                _ = try await server.act("s\(index)", .checkpoint(name: "c\(turn)"))
            }
        }
        func tokens(_ index: Int, _ turns: Int) -> [Int] { (1...turns).map { (index + $0) % 8 } }

        let works = (0..<count).map { index in
            var work = Work(model: model.id, target: .session("s\(index)"), input: .tokens([1]))
            work.outputs = .none
            return work
        }
        for result in await server.scheduler.run(works) { #expect(try result.get().step == 7) }
        let used = server.sessions.usedMemory
        #expect(used <= budget + budget / 8, "\(used) of \(budget)")

        for index in 0..<count {
            let id = "s\(index)"
            #expect(try await step(id, (index + 2) % 8, key: "k2").isReplayed)
            await #expect(throws: InferenceError.keyReused) { try await step(id, (index + 3) % 8, key: "k2") }
            #expect(try await server.act(id, .listCheckpoints).checkpoints.map(\.name) == (1...6).map { "c\($0)" })
            await #expect(throws: InferenceError.session(.checkpointExists(name: "c1"))) {
                try await server.act(id, .checkpoint(name: "c1"))
            }
            _ = try await server.act(id, .deleteCheckpoint(name: "c5"))
            _ = try await server.act(id, .checkpoint(name: "c7"))
            let target = index % 2 == 0 ? RewindTarget.step(4) : .checkpoint("c4")
            #expect(try await server.act(id, .rewind(target)).step == 4)
            #expect(try await server.state(id).bits == model.state(after: tokens(index, 4)))
            await #expect(
                throws: InferenceError.session(.noCheckpoint(.checkpoint("c5"), steps: [1, 2, 3, 4, 6, 7]))
            ) { try await server.act(id, .rewind(.checkpoint("c5"))) }
            #expect(server.sessions.usedMemory <= budget + budget / 8)
        }
        server.stop()

        // What was deleted stays so, and what was made since is there.
        let again = try DurableServer(model, in: folder.path, budget: budget)
        for index in 0..<count {
            let names = try await again.act("s\(index)", .listCheckpoints).checkpoints.map(\.name)
            #expect(names == ["c1", "c2", "c3", "c4", "c6", "c7"])
        }
        again.stop()
    }

    @Test(
        "of sessions that do not fit together each gets its turn", .timeLimit(.minutes(10)),
        arguments: Durability.allCases)
    func turns(durability: Durability) async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        let server = try DurableServer(model, in: folder.path, budget: budget(model, sessions: 2, states: 1) + 100)
        for id in ["a", "b"] { try await server.create(id, durability, [1]) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for id in ["a", "b"] {
                group.addTask {
                    for turn in 0..<60 {
                        let step = try await server.absorb(id, [turn % 8]).step
                        #expect(step == turn + 2)
                    }
                }
            }
            try await group.waitForAll()
        }
        let tokens = [1] + (0..<60).map { $0 % 8 }
        for id in ["a", "b"] { #expect(try await server.state(id).bits == model.state(after: tokens)) }
        server.stop()
    }

    @Test(
        "works on many sessions at once need no more memory than there is", .timeLimit(.minutes(10)), arguments: [1, 3])
    func crowd(states: Int) async throws {
        let (model, folder, count) = (try smallModel(), TemporaryFolder(), 40)
        let budget = budget(model, sessions: count, states: states) + 100
        // The memory has room for fewer states than it would leave to new sessions.
        var server = try DurableServer(model, in: folder.path)
        for index in 0..<count { try await server.create("s\(index)", index % 2 == 0 ? .none : .sync, [1]) }
        server.stop()
        server = try DurableServer(model, in: folder.path, budget: budget)
        for round in 1...3 {
            let works = (0..<count).map { index in
                var work = Work(model: model.id, target: .session("s\(index)"), input: .tokens([2, 3]))
                work.outputs = .none
                return work
            }
            for result in await server.scheduler.run(works) { #expect(try result.get().step == 1 + 2 * round) }
            #expect(server.sessions.usedMemory <= budget + budget / 8)
        }
        for index in 0..<count { #expect(try await server.state("s\(index)").step == 7) }
        server.stop()
    }

    @Test("a session whose checkpoints fill the memory leaves them on disk, and goes on")
    func shed() async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        let budget = budget(model, sessions: 1, states: 6) + 6 * SessionTable.checkpointBytes
        for durability in Durability.allCases {
            let server = try DurableServer(model, in: folder.path, budget: budget)
            let id = durability.rawValue
            try await server.create(id, durability)
            for turn in 1...20 {
                #expect(try await server.absorb(id, [turn % 8]).step == turn)
                _ = try await server.act(id, .checkpoint(name: "c\(turn)"))
            }
            #expect(server.sessions.usedMemory <= budget + budget / 8)
            for turn in [3, 20, 11] {
                #expect(try await server.act(id, .rewind(.checkpoint("c\(turn)"))).step == turn)
                #expect(try await server.state(id).bits == model.state(after: (1...turn).map { $0 % 8 }))
            }
            _ = try server.sessions.delete(id)
            server.stop()
        }
    }

    @Test("a session that came back for an operation that has ended is still there after an orderly end")
    func fetchedInVain() async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        var server = try DurableServer(model, in: folder.path)
        try await server.create("a", .none, [1, 2])
        server.stop()
        server = try DurableServer(model, in: folder.path)
        var work = Work(model: model.id, target: .session("a"), input: .tokens([3]))
        work.expectedStep = 7
        await #expect(throws: InferenceError.stepMismatch(expected: 7, step: 2)) {
            try await server.scheduler.run(work)
        }
        server.stop()
        server = try DurableServer(model, in: folder.path)
        #expect(try await server.state("a").bits == model.state(after: [1, 2]))
        server.stop()
    }

    @Test("a session keeps fewer recent states where the memory has no room for all", arguments: [true, false])
    func recent(isDurable: Bool) async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        let budget = budget(model, sessions: 1, states: 5) + 5 * SessionTable.checkpointBytes
        var create = Work(model: model.id, target: .create(id: "a"), input: .tokens([1]))
        create.policy = SessionPolicy(recentStates: 100, durability: isDurable ? .sync : .none)
        let durable = isDurable ? try DurableServer(model, in: folder.path, budget: budget) : nil
        let plain = isDurable ? nil : Server([model], budget: budget)
        let (scheduler, sessions) = (durable?.scheduler ?? plain!.scheduler, durable?.sessions ?? plain!.sessions)
        _ = try await scheduler.run(create)
        for step in 2...30 {
            let work = Work(model: model.id, target: .session("a"), input: .tokens([step % 8]))
            #expect(try await scheduler.run(work).step == step)
            #expect(sessions.usedMemory <= budget + budget / 8)
        }
        let serial = try sessions.record("a").serial
        let steps = try sessions.checkpoints("a", serial: serial).map(\.step)
        #expect(!steps.isEmpty && steps == Array((30 - steps.count)..<30))
        durable?.stop()
        plain?.scheduler.stop()
    }

    @Test("a stream that is refused for want of room has not moved its session", arguments: [1, 20])
    func refusedStream(inputs: Int) async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        // To keep a state beside the one that it moves to takes room for two.
        let budget = budget(model, sessions: 1, states: 1) + 300
        let server = try DurableServer(model, in: folder.path, budget: budget)
        var create = Work(model: model.id, target: .create(id: "a"), input: .tokens([1]))
        create.policy = SessionPolicy(recentStates: 1)
        _ = try await server.scheduler.run(create)
        var work = Work(model: model.id, target: .session("a"), input: .tokens(.init(repeating: 2, count: inputs)))
        work.generation = generation(3)
        let (events, end) = await server.scheduler.stream(work).rest()
        guard case .session(.storeFull)? = end.error else { return #expect(Bool(false), "\(end)") }
        #expect(events.isEmpty)
        #expect(try server.sessions.record("a").step == 1)
        server.stop()
    }

    @Test("a stream whose session shares a state that leaves the memory with it goes on", arguments: [1, 20])
    func streamBesideCheckpoint(inputs: Int) async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        let budget = budget(model, sessions: 1, states: 1) + 300
        let server = try DurableServer(model, in: folder.path, budget: budget)
        try await server.create("a", .none, [1])
        _ = try await server.act("a", .checkpoint(name: "c"))
        var work = Work(model: model.id, target: .session("a"), input: .tokens(.init(repeating: 2, count: inputs)))
        work.generation = generation(3)
        let (events, end) = await server.scheduler.stream(work).rest()
        #expect(try events.count == 3 && end.get().step == server.sessions.record("a").step)
        server.stop()
    }
}
