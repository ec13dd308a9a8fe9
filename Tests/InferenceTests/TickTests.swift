import Sessions
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

    @Test("what holds all the places hands them on: a short work waits for neither generations nor long inputs")
    func placesInTurn() throws {
        for isGenerating in [true, false] {
            let harness = EngineHarness([try smallModel()], limits: limits(rows: 128)) { 1000 * Int64($0.prefill) }
            let long = (0..<100).map { index in
                var work = harness.work(.create(id: "\(index)"), isGenerating ? 2 : 1000)
                if isGenerating { work.generation = generation(300, seed: 5) }
                return harness.submit(work)
            }
            for _ in 0..<5 { harness.tick() }
            let short = harness.absorb(2)
            for _ in 0..<(2 * Lane.slotTicks) { harness.tick() }
            #expect(short.result != nil && !long.contains { $0.result != nil })
            harness.finish()

            let alone = EngineHarness([try smallModel()])
            var work = alone.work(.create(id: "0"), isGenerating ? 2 : 1000)
            if isGenerating { work.generation = generation(300, seed: 5) }
            let one = alone.submit(work)
            alone.finish()
            for (index, operation) in long.enumerated() {
                let (done, expected) = (try operation.result!.get(), try one.result!.get())
                #expect(done.generated?.tokens == expected.generated?.tokens && done.outputs == expected.outputs)
                #expect(try harness.state("\(index)") == alone.state("0"))
            }
        }
    }

    @Test("a work that has handed its place on ends with its session, or when nobody waits for it")
    func endsWithoutPlace() throws {
        let harness = EngineHarness([try smallModel()], limits: limits(rows: 128)) { 1000 * Int64($0.prefill) }
        let long = (0..<100).map { index in
            harness.absorb(1, .create(id: "\(index)"))
            var work = harness.work(.session("\(index)"), 1)
            work.generation = generation(300, seed: 5)
            return harness.submit(work)
        }
        while !long.contains(where: { $0.parkedState != nil }) { harness.tick() }
        let parked = long.filter { $0.parkedState != nil }
        try harness.sessions.delete(parked[0].sessionID!)
        parked[1].cancel()
        harness.tick()
        harness.engine.sweep()
        guard case .session? = parked[0].error else { throw parked[0].error ?? .cancelled }
        #expect(parked[1].error == .cancelled)
        harness.finish()
        for operation in long where operation !== parked[0] && operation !== parked[1] {
            #expect(try operation.result?.get().step == 302)
        }
    }

    @Test(
        "prefills in line get their rows in turn, also where there are more of them than places",
        arguments: [30, 49, 70])
    func rotation(count: Int) throws {
        // 48 places, and so slow that a batch has rows for three prefills.
        let harness = EngineHarness([try smallModel()], limits: limits(rows: 128)) { 1_000_000 * Int64($0.prefill) }
        let all = (0..<count).map { _ in harness.absorb(500) }
        for tick in 1...900 {
            harness.tick()
            guard tick > 100, tick % 50 == 0 else { continue }
            let steps = all.map(\.step)
            #expect(steps.max()! - steps.min()! <= 7 * PrefillCut.leastShare, "\(tick): \(steps)")
        }
        harness.finish()
        #expect(all.allSatisfy { $0.error == nil && $0.step == 500 })
    }
}
