import Kernels
import Recurrent
import Sessions
import TestSupport
import Testing

@testable import Inference

@Suite("Prompts that begin like others")
struct PrefixTests {
    private func prompt(_ count: Int, seed: UInt64) -> [Int] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in Int.random(in: 0..<8, using: &random) }
    }

    private func work(_ model: ServedModel, _ tokens: [Int], _ target: Work.Target = .detached) -> Work {
        var work = Work(model: model.id, target: target, input: .tokens(tokens))
        work.wantsState = true
        return work
    }

    /// What came of a prompt must be what a lone sequence gives.
    private func check(_ completion: Completion, _ tokens: [Int], _ model: ServedModel) {
        let alone = Alone(model)
        for token in tokens { alone.absorb(token) }
        #expect(completion.state?.map(\.bitPattern) == alone.state)
        #expect(completion.outputs == alone.output)
        #expect(completion.step == tokens.count && completion.inputSteps == tokens.count)
    }

    private let endings = 64

    @Test("sent one after another, from the third on they resume where they part, to the token") func oneByOne()
        async throws
    {
        var kind = RandomModel()
        (kind.kernel, kind.vocabularySize, kind.hasInitialState) = (3, endings, true)
        let model = try served(kind)
        try await withServer([model]) { server in
            let shared = prompt(1000, seed: 1)
            var cached: [Int] = []
            for index in 0..<endings {
                // What tells them apart comes first.
                let tokens = shared + [index] + prompt(15, seed: UInt64(index))
                let completion = try await server.scheduler.run(work(model, tokens))
                check(completion, tokens, model)
                cached.append(completion.cachedSteps)
            }
            #expect(cached[0] == 0 && cached[1] < 1000)
            #expect(cached.count { $0 >= 1000 } >= 62, "\(cached)")
        }
    }

    @Test("sent at once, one absorbs what they have in common") func atOnce() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            let shared = prompt(1000, seed: 2)
            let prompts = (0..<endings).map { shared + [$0 / 8, $0 % 8] + prompt(14, seed: UInt64($0)) }
            let results = await server.scheduler.run(prompts.map { work(model, $0) })
            var cached: [Int] = []
            for (result, tokens) in zip(results, prompts) {
                let completion = try result.get()
                check(completion, tokens, model)
                cached.append(completion.cachedSteps)
            }
            #expect(cached.count { $0 >= 1000 } == 63, "\(cached)")
        }
    }

    @Test("identical prompts in flight are absorbed once") func identical() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            let tokens = prompt(700, seed: 3)
            let results = await server.scheduler.run([Work](repeating: work(model, tokens), count: 30))
            for result in results { check(try result.get(), tokens, model) }
            #expect(try results.map { try $0.get().cachedSteps }.sorted() == [0] + [Int](repeating: 700, count: 29))
            // A session that is made of it, one that has absorbed nothing yet, and a generation.
            let made = try await server.scheduler.run(work(model, tokens, .create(id: "made")))
            check(made, tokens, model)
            #expect(made.cachedSteps == 700)
            try await server.create("empty")
            var generate = Work(model: model.id, target: .session("empty"), input: .tokens(tokens))
            generate.generation = generation(5)
            let generated = try await server.scheduler.run(generate)
            let alone = Alone(model)
            for token in tokens { alone.absorb(token) }
            #expect(generated.cachedSteps == 700 && generated.generated?.tokens == alone.generate(generation(5)))
            #expect(try server.state("empty") == alone.state)
        }
    }

    @Test("nothing is shared where that would show, or was not wanted") func bypass() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            let tokens = prompt(300, seed: 4)
            _ = try await server.scheduler.run(work(model, tokens))
            var works = [Work](repeating: work(model, tokens), count: 6)
            works[0].usesCache = false
            works[1].owner = "another"
            works[2].scan = .associative
            works[3].outputs = .all
            works[4].score = true
            works[5].supplied = Work.SuppliedState(values: model.model.initialState, step: 0)
            for work in works { #expect(try await server.scheduler.run(work).cachedSteps == 0) }
            // Not what is at hand by chance: a session at step 0 with another state.
            var put = Work(model: model.id, target: .put("other"), input: .empty)
            put.supplied = Work.SuppliedState(values: model.model.initialState.map { $0 + 1 }, step: 0)
            _ = try await server.scheduler.run(put)
            #expect(try await server.scheduler.run(work(model, tokens, .session("other"))).cachedSteps == 0)
            // An associative prompt has left nothing behind.
            var other = work(model, prompt(300, seed: 5))
            other.scan = .associative
            _ = try await server.scheduler.run(other)
            other.scan = .exact
            #expect(try await server.scheduler.run(other).cachedSteps == 0)
        }
    }

    @Test("kept states are the first to make room, and never drive a session out") func memory() async throws {
        let model = try smallModel()
        let cost = model.model.state.bytes + SessionTable.overheadBytes
        let server = Server([model], budget: 20 * cost)
        defer { server.scheduler.stop() }
        for index in 0..<40 {
            _ = try await server.scheduler.run(work(model, prompt(100, seed: UInt64(index))))
            #expect(server.sessions.usedMemory <= 20 * cost)
        }
        #expect(server.sessions.prefixCount > 5)
        for index in 0..<20 { try await server.create("s\(index)", .tokens([1])) }
        #expect(server.sessions.prefixCount == 0 && server.sessions.count == 20)
        _ = try await server.scheduler.run(work(model, prompt(100, seed: 50)))
        #expect(server.sessions.prefixCount == 0 && server.sessions.count == 20)
        for index in 0..<20 { try server.sessions.delete("s\(index)") }
        #expect(server.sessions.usedMemory == 0)
    }

    @Test("who waits for another goes on when that one ends early, and may end early itself") func leaderGone()
        async throws
    {
        let model = try smallModel()
        try await withServer([model]) { server in
            let tokens = prompt(40_000, seed: 6)
            let leader = Task { try await server.scheduler.run(work(model, tokens)) }
            let followers = (0..<8).map { index in
                Task { () -> (Completion, [Int]) in
                    let mine = Array(tokens.prefix(3000)) + prompt(20, seed: UInt64(index))
                    return (try await server.scheduler.run(work(model, mine)), mine)
                }
            }
            followers[3].cancel()
            leader.cancel()
            for (index, follower) in followers.enumerated() where index != 3 {
                let (completion, mine) = try await follower.value
                check(completion, mine, model)
            }
            _ = await leader.result
            _ = await followers[3].result
        }
    }

    @Test("random prompts, all at once and in any order, give what lone sequences give", arguments: 0..<6)
    func random(seed: Int) async throws {
        let model = try smallModel(cell: seed % 2 == 0 ? "minGRU" : "minLSTM", kernel: seed % 3 == 0 ? nil : 3)
        let cost = model.model.state.bytes + SessionTable.overheadBytes
        let server = Server([model], budget: seed < 3 ? 30 * cost : 64 << 20)
        defer { server.scheduler.stop() }
        var random = SeededGenerator(seed: UInt64(seed))
        let stems = (0..<4).map { prompt(600, seed: UInt64($0)) }
        for _ in 0..<6 {
            let prompts = (0..<40).map { _ in
                let stem = stems.randomElement(using: &random)!
                let shared = Array(stem.prefix(Int.random(in: 1...600, using: &random)))
                return shared + prompt(Int.random(in: 0...80, using: &random), seed: random.next() % 3)
            }
            let results = await server.scheduler.run(prompts.map { work(model, $0) })
            for (result, tokens) in zip(results, prompts) { check(try result.get(), tokens, model) }
        }
    }
}
