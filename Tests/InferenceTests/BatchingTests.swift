import Kernels
import Recurrent
import TestSupport
import Testing

@testable import Inference
@testable import Sessions

@Suite("Batches: whatever runs together, each answer is as if alone")
struct BatchingTests {
    /// One session's works in order, and what each must give.
    private struct Plan: Sendable {
        var works: [Work] = []
        var expected: [(step: Int, outputs: [Float], score: Double)] = []
        var state: [UInt32] = []
    }

    private func input(_ served: ServedModel, _ count: Int, _ random: inout SeededGenerator) -> InputSequence {
        switch served.model.configuration.input {
        case .tokens(let size):
            InputSequence.tokens((0..<count).map { _ in Int.random(in: 0..<size, using: &random) })
        case .vectors(let size):
            InputSequence.vectors((0..<count * size).map { _ in random.float() }, count: count)
        }
    }

    private func plan(_ served: ServedModel, _ name: String?, _ random: inout SeededGenerator) -> Plan {
        let alone = Alone(served)
        var plan = Plan()
        var before: [Float] = []
        for index in 0..<(name == nil ? 1 : Int.random(in: 1...6, using: &random)) {
            let count = [1, 1, 1, 5, 40, 300].randomElement(using: &random)!
            let target = name.map { index == 0 ? Work.Target.create(id: $0) : .session($0) } ?? .detached
            var work = Work(model: served.id, target: target, input: input(served, count, &random))
            work.outputs = [.none, .last, .all].randomElement(using: &random)!
            if case .tokens = work.input { work.score = Bool.random(using: &random) }
            if Bool.random(using: &random) { work.expectedStep = alone.step }
            let outputs = alone.absorb(work.input)
            var score = 0.0
            if work.score, case .tokens(let tokens) = work.input {
                let predictions = (before.isEmpty ? [] : [before]) + outputs.dropLast()
                for (logits, token) in zip(predictions, tokens.suffix(predictions.count)) {
                    score += Double(logits[token] - logSumExp(logits.span))
                }
            }
            before = outputs.last!
            let wanted = work.outputs == .none ? [] : work.outputs == .last ? [outputs.last!] : outputs
            plan.works.append(work)
            plan.expected.append((alone.step, wanted.flatMap { $0 }, score))
        }
        plan.state = alone.state
        return plan
    }

    @Test("random works of several models at once give the bytes of stepping alone", arguments: 0..<6)
    func mixtures(seed: Int) async throws {
        var random = SeededGenerator(seed: UInt64(seed))
        var other = RandomModel(seed: UInt64(seed + 40))
        (other.inputSize, other.outputSize, other.layers) = (nil, nil, 2)
        let models = [
            try smallModel(), try vectorModel(), try served(other, as: "other", weights: WeightType.allCases[seed % 3]),
        ]
        var limits = Scheduler.Limits()
        (limits.threads, limits.batchRows) = (1 + seed % 4, seed % 2 == 0 ? nil : 128)
        var plans: [Plan] = []
        for index in 0..<60 {
            plans.append(plan(models[index % 3], index % 5 == 0 ? nil : "s\(index)", &random))
        }
        let all = plans
        try await withServer(models, limits: limits) { server in
            let wrong = try await withThrowingTaskGroup(of: [String].self) { group in
                for (index, plan) in all.enumerated() {
                    group.addTask {
                        // The first work makes the session; the others are submitted at once and keep their order.
                        var results = await server.scheduler.run(Array(plan.works.prefix(1)))
                        results += await server.scheduler.run(Array(plan.works.dropFirst()))
                        return zip(results, plan.expected).compactMap { result, expected in
                            guard case .success(let completion) = result else { return "\(index): \(result)" }
                            let good =
                                completion.step == expected.step && completion.outputs == expected.outputs
                                && completion.score.logprob == expected.score
                            return good ? nil : "\(index) at step \(expected.step)"
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(wrong.isEmpty, "\(wrong)")
            for index in 0..<60 where index % 5 != 0 {
                #expect(try server.state("s\(index)", model: index % 3) == all[index].state, "session \(index)")
                #expect(try server.sessions.record("s\(index)").step == all[index].expected.last?.step)
            }
            #expect(server.sessions.count == 48)
        }
    }

    @Test("works on one session run in order of arrival, however many arrive at once") func order() async throws {
        let model = try smallModel()
        let alone = Alone(model)
        let tokens = (0..<60).map { ($0 * 5 + $0 / 7) % 8 }
        let expected = alone.absorb(.tokens(tokens))
        try await withServer([model]) { server in
            try await server.create("s")
            let works = tokens.enumerated().map { index, token in
                var work = Work(model: model.id, target: .session("s"), input: .tokens([token]))
                work.expectedStep = index
                return work
            }
            let results = await server.scheduler.run(works)
            for (index, result) in results.enumerated() {
                #expect(try result.get().step == index + 1)
                #expect(try result.get().outputs == expected[index])
            }
            #expect(try server.state("s") == alone.state)
        }
    }

    @Test("results come with their indices, each once") func results() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            let works = (0..<50).map {
                Work(model: model.id, target: .detached, input: .tokens([Int](repeating: 1, count: $0 * 13 % 50 + 1)))
            }
            var steps: [Int: Int] = [:]
            for await (index, result) in server.scheduler.results(works) {
                let step = try result.get().step
                #expect(steps.updateValue(step, forKey: index) == nil)
            }
            #expect(steps == Dictionary(uniqueKeysWithValues: (0..<50).map { ($0, $0 * 13 % 50 + 1) }))
            for await _ in server.scheduler.results([]) { Issue.record("a result of nothing") }
            #expect(await server.scheduler.run([]).isEmpty)
        }
    }
}
