import TestSupport
import Testing

@testable import Inference

@Suite("Ticks: how much of a prefill a batch has")
struct TickTests {
    private static let millisecond: Int64 = 1_000_000

    private func limits(rows: Int = 256) -> Scheduler.Limits {
        var limits = Scheduler.Limits()
        limits.batchRows = rows
        return limits
    }

    @Test("a prefill that delays nobody has whole batches") func calm() throws {
        let harness = EngineHarness([try smallModel()], limits: limits()) { 1000 * Int64($0.prefill) }
        let operation = harness.absorb(5000)
        harness.finish()
        #expect(operation.step == 5000 && operation.error == nil)
        #expect(harness.batches.dropFirst(3).dropLast().allSatisfy { $0.prefill == 256 })
    }

    @Test(
        "beside steps it has what max-tick holds, or 24 rows",
        arguments: [
            (perRow: Int64(1000), rows: 255...256), (20_000, 80...110), (50_000, 32...44), (1_000_000, 24...24),
        ]
    )
    func busy(perRow: Int64, rows: ClosedRange<Int>) throws {
        let harness = EngineHarness([try smallModel()], limits: limits()) { batch in
            300_000 + perRow * Int64(batch.steps + batch.prefill)
        }
        harness.absorb(1, .create(id: "s"))
        harness.tick()
        harness.absorb(100_000)
        for round in 0..<100 {
            harness.absorb(1, .session("s"))
            // Every other batch comes before the client has sent its next step.
            harness.tick()
            harness.tick()
            #expect(try harness.step(of: "s") == round + 2)
        }
        let cuts = harness.batches.dropFirst(40)
        #expect(cuts.allSatisfy { rows.contains($0.prefill) }, "\(cuts.map(\.prefill))")
        #expect(cuts.count { $0.steps == 1 } == cuts.count / 2)
    }

    @Test("whole batches come back when nobody has stepped for a while") func quiet() throws {
        let harness = EngineHarness([try smallModel()], limits: limits()) { 20_000 * Int64($0.steps + $0.prefill) }
        harness.absorb(100_000)
        harness.absorb(1)
        for _ in 0..<100 { harness.tick() }
        #expect(harness.batches.last!.prefill < 130)
        harness.sleep(Engine.quietTime)
        harness.tick()
        #expect(harness.batches.last!.prefill == 256)
    }

    @Test("a tick of a very slow model is short too") func slow() throws {
        let harness = EngineHarness([try smallModel()], limits: limits()) { 2 * Self.millisecond * Int64($0.prefill) }
        harness.absorb(5000)
        for _ in 0..<100 { harness.tick() }
        #expect(harness.batches.dropFirst(20).allSatisfy { (24...26).contains($0.prefill) })
    }

    @Test("a short input does not wait for the end of a long one") func shares() throws {
        let harness = EngineHarness([try smallModel()], limits: limits())
        let long = harness.absorb(100_000)
        harness.tick()
        let short = harness.absorb(100)
        harness.tick()
        #expect(short.result != nil && long.result == nil)
        #expect(harness.batches.last!.prefill == 256)
    }

    @Test("more long inputs than there are places do not keep steps waiting") func slots() throws {
        let harness = EngineHarness([try smallModel()], limits: limits(rows: 128)) { 100_000 * Int64($0.prefill) }
        let long = (0..<200).map { _ in harness.absorb(1000) }
        for _ in 0..<50 { harness.tick() }
        let steps = (0..<30).map { _ in harness.absorb(1) }
        for _ in 0..<2 { harness.tick() }
        #expect(steps.allSatisfy { $0.result != nil })
        #expect(long.allSatisfy { $0.result == nil })
        harness.finish()
        #expect(long.allSatisfy { $0.error == nil && $0.step == 1000 })
    }

    @Test("prefills in line get their rows in turn") func rotation() throws {
        let harness = EngineHarness([try smallModel()], limits: limits()) { 1_000_000 * Int64($0.prefill) }
        let all = (0..<30).map { _ in harness.absorb(200) }
        for _ in 0..<80 { harness.tick() }
        let steps = all.map(\.step)
        #expect(steps.max()! - steps.min()! <= 3 * PrefillCut.leastShare, "\(steps)")
    }
}
