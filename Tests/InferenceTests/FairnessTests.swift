import TestSupport
import Testing

@testable import Inference

@Suite("Several models share the time")
struct FairnessTests {
    private func models() throws -> [ServedModel] {
        try ["a", "b", "c"].map { name in
            var random = RandomModel()
            random.vocabularySize = 8
            return try served(random, as: name)
        }
    }

    /// A row of `a` takes 100 µs, of the others 10 µs.
    private func harness() throws -> EngineHarness {
        var limits = Scheduler.Limits()
        limits.batchRows = 192
        return EngineHarness(try models(), limits: limits) {
            ($0.model == "a" ? 100_000 : 10_000) * Int64($0.steps + $0.prefill)
        }
    }

    private func time(_ model: String, _ batches: some Sequence<BatchSummary>) -> Int {
        batches.reduce(0) { $0 + ($1.model == model ? ($1.steps + $1.prefill) * (model == "a" ? 10 : 1) : 0) }
    }

    @Test("busy models get the same time, not the same number of batches") func equalTime() throws {
        let harness = try harness()
        for model in 0..<3 { harness.absorb(1_000_000, model: model) }
        for _ in 0..<300 { harness.tick() }
        let batches = harness.batches.dropFirst(20)
        let times = ["a", "b", "c"].map { time($0, batches) }
        #expect(times.max()! - times.min()! <= 2 * 10 * 192, "\(times)")
    }

    @Test("a step waits for one batch of another model at most") func latency() throws {
        let harness = try harness()
        harness.absorb(1_000_000, model: 0)
        harness.absorb(1_000_000, model: 2)
        for round in 0..<50 {
            harness.tick()
            let step = harness.absorb(1, model: 1)
            harness.tick()
            #expect(step.result != nil, "round \(round)")
            for _ in 0..<(round % 5) { harness.tick() }
        }
        // While it steps, the others' batches are short.
        #expect(harness.batches.suffix(100).allSatisfy { $0.model != "a" || $0.prefill <= 26 })
    }

    @Test("who had nothing to do has saved up nothing") func noCredit() throws {
        let harness = try harness()
        harness.absorb(1_000_000, model: 0)
        for _ in 0..<200 { harness.tick() }
        harness.absorb(1_000_000, model: 1)
        let before = harness.batches.count
        for _ in 0..<60 { harness.tick() }
        let batches = harness.batches.dropFirst(before)
        #expect(time("a", batches) * 3 > time("b", batches))
    }

    @Test("a model that steps all the time gets its half beside a prefill of another, and no more") func stepping()
        throws
    {
        let harness = try harness()
        harness.absorb(1_000_000, model: 0)
        var steps = (0..<64).map { _ in harness.absorb(1, model: 1) }
        for _ in 0..<400 {
            harness.tick()
            if steps[0].result != nil { steps = (0..<64).map { _ in harness.absorb(1, model: 1) } }
        }
        let batches = harness.batches.dropFirst(50)
        let (a, b) = (time("a", batches), time("b", batches))
        #expect(abs(a - b) < (a + b) / 10, "\(a) \(b)")
    }
}
