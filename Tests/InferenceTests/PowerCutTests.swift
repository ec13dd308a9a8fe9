import Recurrent
import Sessions
import TestSupport
import Testing
import Threading

@testable import Inference

/// One session as its client knows it.
private struct Story: Sendable {
    let id: String
    var tokens: [Int] = []
    var checkpoint: (name: String, tokens: [Int])?
    /// What it absorbs if the request that was not answered was done all the same; nil where all were answered.
    var perhaps: [Int]?
}

@Suite("A loss of power, which takes what was not synced")
struct PowerCutTests {
    @Test("loses no step that was answered and doubles none", arguments: 0..<40) func rounds(seed: Int) async throws {
        let model = try smallModel()
        let (folder, supply) = (TemporaryFolder(), PowerSupply("power-\(seed)"))
        var options = supply.options
        options.flushInterval = .milliseconds(2)
        // Whole states follow soon, and sessions that were not touched are carried on.
        options.journalLimit = [300, 3000, 1 << 20][seed % 3]
        // The log is copied into the database and cut every few moves.
        if seed % 3 != 2, seed % 2 == 0 { options.limit = 1 << 20 }
        // Memory for a part of the sessions.
        let budget = (15 + 2 * (seed % 4)) * (model.model.state.bytes + SessionTable.overheadBytes)
        var random = SeededGenerator(seed: UInt64(seed))
        var stories = (0..<12).map { Story(id: "s\($0)") }
        for round in 0..<5 {
            let server = try DurableServer(model, in: folder.path, budget: budget, options: options)
            if round == 0 { for story in stories { try await server.create(story.id, .sync) } }
            for index in stories.indices {
                let found = try await server.state(stories[index].id)
                if let perhaps = stories[index].perhaps, found.bits == model.state(after: perhaps) {
                    stories[index].tokens = perhaps
                }
                stories[index].perhaps = nil
                #expect(found.step == stories[index].tokens.count, "round \(round), \(stories[index].id)")
                #expect(found.bits == model.state(after: stories[index].tokens), "round \(round), \(stories[index].id)")
            }
            let limit = Int.random(in: 1...80, using: &random)
            stories = await work(stories, on: server, supply, untilAnswered: limit, 10 * seed + round)
            server.stop()
            #expect(supply.restore(seed: 1000 * seed + round) >= 0)
        }
    }

    private func work(
        _ stories: [Story], on server: DurableServer, _ supply: PowerSupply, untilAnswered limit: Int, _ seed: Int
    ) async -> [Story] {
        let counter = Countdown(limit)
        return await withTaskGroup(of: (Int, Story).self) { group in
            for (index, story) in stories.enumerated() {
                group.addTask {
                    var story = story
                    var random = SeededGenerator(seed: UInt64(100 * seed + index))
                    while await act(&story, server, &random) { if counter.countDown() { supply.cut() } }
                    return (index, story)
                }
            }
            var result = stories
            for await (index, story) in group { result[index] = story }
            return result
        }
    }

    /// One request; false when it was not answered.
    private func act(_ story: inout Story, _ server: DurableServer, _ random: inout SeededGenerator) async -> Bool {
        let some = (0..<Int.random(in: 1...9, using: &random)).map { _ in Int.random(in: 0..<8, using: &random) }
        var (after, checkpoint) = (story.tokens, story.checkpoint)
        do throws(InferenceError) {
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                after += some
                try await server.absorb(story.id, some)
            case 1:
                let alone = Alone(server.model)
                for token in after + some { alone.absorb(token) }
                after += some + alone.generate(generation(3))
                try await server.absorb(story.id, some, generating: 3)
            case 2 where checkpoint == nil:
                // Not a name of before: that one may be there though nobody was told.
                let name = "c\(UInt32.random(in: 0...UInt32.max, using: &random))"
                checkpoint = (name, after)
                _ = try await server.act(story.id, .checkpoint(name: name))
            case 3 where checkpoint != nil:
                after = checkpoint!.tokens
                _ = try await server.act(story.id, .rewind(.checkpoint(checkpoint!.name)))
            default:
                after.append(some[0])
                try await server.absorb(story.id, [some[0]])
            }
            (story.tokens, story.checkpoint) = (after, checkpoint)
            return true
        } catch {
            guard case .session(.store) = error else {
                Issue.record("\(story.id): \(error)")
                return false
            }
            story.perhaps = after
            return false
        }
    }
}

/// Tells who brings it to zero.
private final class Countdown: Sendable {
    private let lock = Lock()
    private nonisolated(unsafe) var left: Int

    init(_ count: Int) { unsafe left = count }

    func countDown() -> Bool {
        lock.withLock {
            unsafe left -= 1
            return unsafe left == 0
        }
    }
}
