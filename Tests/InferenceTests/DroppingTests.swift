import Recurrent
import TestSupport
import Testing

@testable import Inference
@testable import Sessions

@Suite("Works that are cancelled or late are dropped before they compute")
struct DroppingTests {
    private func harness() throws -> EngineHarness {
        var limits = Scheduler.Limits()
        limits.batchRows = 128
        let harness = EngineHarness([try smallModel()], limits: limits) { 1000 * Int64($0.steps + $0.prefill) }
        harness.absorb(3, .create(id: "s"))
        harness.absorb(3, .create(id: "t"))
        harness.finish()
        return harness
    }

    @Test("a work whose deadline passes before its turn does not compute") func late() throws {
        let harness = try harness()
        let batches = harness.batches.count
        let late = harness.absorb(1, .session("s"), deadline: harness.now + 500)
        harness.sleep(500)
        harness.tick()
        #expect(late.error == .deadlinePassed && harness.batches.count == batches)
        #expect(try harness.step(of: "s") == 3)
        let intime = harness.absorb(1, .session("s"), deadline: harness.now + 500)
        harness.sleep(499)
        harness.tick()
        #expect(try intime.result?.get().step == 4)
    }

    @Test("a prefill whose deadline passes on its way leaves its session where it was") func lateOnTheWay() throws {
        let harness = try harness()
        let work = harness.absorb(10_000, .session("s"), deadline: harness.now + 1_000_000)
        let other = harness.absorb(10_000, .session("t"))
        harness.finish()
        #expect(work.error == .deadlinePassed && work.consumed > 0)
        #expect(try harness.step(of: "s") == 3 && other.result?.get().step == 10_003)
    }

    @Test("a work that has been reported is let go, though whoever was told holds it") func letGo() {
        weak var seen: Operation?
        do {
            let operation = Operation(Work(model: "tokens", target: .detached, input: .tokens([1])), submitted: 0)
            operation.reporter = .call { _ in _ = operation }
            operation.result = .failure(.cancelled)
            operation.report()
            seen = operation
        }
        #expect(seen == nil)
    }

    @Test("works behind another of their session are dropped where they wait, the others keep their order")
    func behind()
        throws
    {
        let harness = try harness()
        harness.absorb(10_000, .session("s"))
        let waiting = (0..<6).map {
            harness.absorb(1, .session("s"), deadline: $0 == 2 ? harness.now + 300_000 : nil)
        }
        waiting[4].cancel()
        harness.tick()
        harness.engine.sweep()
        harness.tick()
        #expect(waiting[4].error == .cancelled && waiting[2].error == nil && waiting[0].result == nil)
        harness.sleep(300_000)
        harness.tick()
        #expect(waiting[2].error == .deadlinePassed && waiting[0].result == nil)
        harness.finish()
        #expect(try [0, 1, 3, 5].map { try waiting[$0].result?.get().step } == [10_004, 10_005, 10_006, 10_007])
    }

    @Test("works without a place are dropped where they wait") func withoutPlace() throws {
        let harness = try harness()
        let long = (0..<60).map { _ in harness.absorb(1000) }
        let waiting = harness.absorb(1000, deadline: harness.now + 100_000)
        let cancelled = harness.absorb(1000)
        harness.tick()
        cancelled.cancel()
        harness.engine.sweep()
        harness.sleep(100_000)
        harness.tick()
        #expect(waiting.error == .deadlinePassed && waiting.started == nil)
        #expect(cancelled.error == .cancelled && cancelled.started == nil)
        harness.finish()
        #expect(long.allSatisfy { $0.error == nil && $0.step == 1000 })
    }

    @Test("a work that is dropped lets the next of its session in, and its place is free") func successor() throws {
        let harness = try harness()
        let generation = generation(100_000)
        var work = harness.work(.session("s"), 0)
        work.generation = generation
        work.deadline = harness.now + 50_000
        let first = harness.submit(work)
        let next = harness.absorb(1, .session("s"))
        harness.finish()
        #expect(first.error == .deadlinePassed)
        #expect(try next.result?.get().step == 4)
        #expect(harness.ended.count == 4)
    }

    @Test("a generation that is not streamed moves its session by all or nothing") func generationInOne() throws {
        let harness = try harness()
        var work = harness.work(.session("s"), 2)
        work.generation = generation(100)
        let operation = harness.submit(work)
        for _ in 0..<20 { harness.tick() }
        #expect(operation.step > 10)
        operation.cancel()
        harness.engine.sweep()
        #expect(try harness.step(of: "s") == 3)
        harness.finish()
        #expect(try harness.submit(work).result == nil && harness.step(of: "s") == 3)
        harness.finish()
        #expect(try harness.step(of: "s") == 105)
    }

    @Test("a stream that nobody reads ends when its deadline passes") func unreadStream() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            try await server.create("s", .tokens([1]))
            var work = Work(model: model.id, target: .session("s"), input: .empty)
            work.generation = generation(100_000)
            work.deadline = monotonicNanoseconds() + 50_000_000
            let stream = server.scheduler.stream(work)
            // Waits for the stream's end: nobody reads, and nothing else wakes the scheduler.
            var next = Work(model: model.id, target: .session("s"), input: .tokens([1]))
            next.outputs = .none
            let step = try await server.scheduler.run(next).step
            let (events, end) = await stream.rest()
            #expect(end.error == .deadlinePassed && step == 2 + events.count)
        }
    }

    @Test("inputs that wait are bounded in bytes, and one alone may be larger") func bytes() async throws {
        let model = try smallModel()
        var limits = Scheduler.Limits()
        limits.inputBytes = 1000
        try await withServer([model], limits: limits) { server in
            func work(_ count: Int, _ target: Work.Target = .session("s")) -> Work {
                Work(model: model.id, target: target, input: .tokens([Int](repeating: 1, count: count)))
            }
            try await server.create("s", .tokens([Int](repeating: 1, count: 500)))
            var generating = work(0)
            generating.generation = generation(100_000)
            let stream = server.scheduler.stream(generating)
            _ = try await stream.next()
            // Waits behind the stream, which nobody reads.
            async let waiting = server.scheduler.run(work(100))
            while server.scheduler.waitingBytes < 800 { await Task.yield() }
            #expect(await server.scheduler.run([work(26)])[0].error == .queueBytesFull(limit: 1000))
            #expect(try await server.scheduler.run(work(25, .detached)).step == 25)
            stream.cancel()
            _ = try await waiting
            #expect(try await server.scheduler.run(work(500)).inputSteps == 500)
        }
    }
}
