import Recurrent
import TestSupport
import Testing

@testable import Inference

@Suite("Works that would wait too long are refused at once")
struct OverloadTests {
    /// A millisecond for every eight rows.
    private func harness(_ limit: Duration) throws -> EngineHarness {
        var limits = Scheduler.Limits()
        (limits.queueTime, limits.maxTick) = (limit, .milliseconds(1))
        let harness = try EngineHarness([smallModel()], limits: limits) { Int64($0.steps + $0.prefill) * 125_000 }
        // It learns what a row costs.
        for count in [64, 1, 300, 7, 128, 1, 64, 500] {
            harness.absorb(count)
            harness.finish()
        }
        return harness
    }

    @Test("what is ahead of a work counts, as far as it takes rows from it") func delay() throws {
        let harness = try harness(.milliseconds(50))
        let first = harness.absorb(800)
        #expect(first.error == nil)
        // Another of 800 rows would wait 100 ms for the first one's rows, one of 40 only 5.
        let long = harness.absorb(800)
        guard case .overloaded(let delay, .milliseconds(50))? = long.error else {
            Issue.record("\(String(describing: long.error))")
            return
        }
        #expect((0.09...0.11).contains(delay / .seconds(1)), "\(delay)")
        #expect(harness.absorb(40).error == nil && harness.absorb(1).error == nil)
        harness.finish()
        #expect(harness.absorb(800).error == nil)
        harness.finish()
    }

    @Test("those that are let in are done about as quickly as one that is alone, however many come") func kept() throws
    {
        let harness = try harness(.milliseconds(30))
        let alone = harness.absorb(800)
        let begun = harness.now
        harness.finish()
        let time = harness.now - begun
        #expect(alone.error == nil)
        var (worst, admitted, refused): (Int64, Int, Int) = (0, 0, 0)
        var running: [(operation: Operation, since: Int64)] = []
        // Ten times as many as can be done.
        var next = harness.now
        for _ in 0..<3000 {
            while next <= harness.now {
                let operation = harness.absorb(800)
                if operation.error == nil { running.append((operation, next)) } else { refused += 1 }
                next += time / 10
            }
            harness.tick()
            for (operation, since) in running where operation.result != nil {
                #expect(operation.error == nil)
                worst = max(worst, harness.now - since)
                admitted += 1
            }
            running.removeAll { $0.operation.result != nil }
            if !harness.engine.isRunnable { harness.sleep(max(1, next - harness.now)) }
        }
        #expect(admitted > 50 && refused > 5 * admitted, "\(admitted) \(refused)")
        #expect(worst < 2 * time, "\(worst) of \(time)")
    }

    @Test("works that come together do not stand in one another's way") func together() async throws {
        let model = try smallModel()
        var limits = Scheduler.Limits()
        limits.queueTime = .nanoseconds(1)
        try await withServer([model], limits: limits) { server in
            let works = (0..<200).map { _ in
                Work(model: model.id, target: .detached, input: .tokens([Int](repeating: 1, count: 100)))
            }
            let results = await server.scheduler.run(works)
            #expect(results.allSatisfy { $0.error == nil })
        }
    }

    @Test("a model that is served no more ends what it has begun, takes nothing new, and may come back") func models()
        async throws
    {
        let (one, other) = (try smallModel(), try vectorModel())
        try await withServer([one, other]) { server in
            try await server.create("a", .tokens([1]))
            var work = Work(model: one.id, target: .session("a"), input: .empty)
            work.generation = generation(500)
            let stream = server.scheduler.stream(work)
            _ = try await stream.next()
            server.scheduler.serve([other])
            let refused = await server.scheduler.run([Work(model: one.id, target: .detached, input: .tokens([1]))])
            #expect(refused[0].error == .notServed(model: one.id))
            let waiting = await server.scheduler.run([Work(model: one.id, target: .session("a"), input: .tokens([1]))])
            #expect(waiting[0].error == .sessionNotServed(id: "a", model: one.id))
            let (events, end) = await stream.rest()
            #expect(events.count == 499 && end.error == nil)
            _ = try await server.scheduler.run(
                Work(model: other.id, target: .detached, input: .vectors([1, 2, 3], count: 1)))
            server.scheduler.serve([one, other])
            #expect(
                try await server.scheduler.run(
                    Work(model: one.id, target: .session("a"), input: .tokens([1]))
                ).step == 502)
        }
    }

    @Test("a generation that is cut and gone on with is what it would have been, stop texts included") func goingOn()
        async throws
    {
        let model = try smallModel()
        try await withServer([model]) { server in
            let wanted = generation(300, seed: 9, stop: ["abab", "hh"])
            for id in ["a", "b"] { try await server.create(id, .tokens([1, 2])) }
            var work = Work(model: model.id, target: .session("a"), input: .empty)
            work.generation = wanted
            let (whole, end) = await server.scheduler.stream(work).rest()
            for count in Set([1, 2, whole.count / 2, whole.count - 1]).sorted() where (1..<whole.count).contains(count)
            {
                let id = "b\(count)"
                try await server.create(id, .tokens([1, 2]))
                var part = Work(model: model.id, target: .session(id), input: .empty)
                part.generation = wanted
                let stream = server.scheduler.stream(part, keeping: .init())
                for _ in 0..<count { _ = try await stream.next() }
                let (emitted, completion) = await stream.cut()
                #expect(completion == nil || emitted?.tokens.count == whole.count)
                guard completion == nil, let emitted else { continue }
                #expect(emitted.tokens.map(Int.init) == whole.prefix(emitted.tokens.count).map(\.token))
                part.generation!.prior = emitted.tokens
                part.expectedStep = emitted.lastStep
                #expect(
                    Array(model.events(of: part.generation!, lastStep: emitted.lastStep))
                        == Array(whole.prefix(emitted.tokens.count)))
                let (rest, otherEnd) = await server.scheduler.stream(part, keeping: emitted).rest()
                #expect(rest == Array(whole.dropFirst(emitted.tokens.count)))
                #expect(try otherEnd.get().generated?.text == end.get().generated?.text)
                #expect(try server.state(id) == server.state("a"))
            }
        }
    }
}
