import Recurrent
import Sessions
import TestSupport
import Testing

@testable import Inference

@Suite("Works whose session or server ends")
struct EndingTests {
    @Test("a work meant for a session that was deleted does not move the next of its name") func retakenName()
        async throws
    {
        let model = try smallModel()
        try await withServer([model]) { server in
            func create() async throws -> SessionRecord {
                let work = Work(model: model.id, target: .create(id: "x"), input: .tokens([1, 2, 3]))
                return try await server.scheduler.run(work).session!
            }
            let old = try await create()
            try server.sessions.delete("x")
            let new = try await create()
            var late = Work(model: model.id, target: .session("x"), input: .tokens([4]))
            late.serial = old.serial
            await #expect(throws: InferenceError.session(.gone(id: "x", reason: .deleted, lastStep: 3))) {
                try await server.scheduler.run(late)
            }
            #expect(try server.sessions.record("x") == new)
        }
    }

    @Test("an idle limit counts from the end of what was asked: queued work is not thrown away") func idleWhileQueued()
        throws
    {
        let harness = EngineHarness([try smallModel()]) { 1_000_000 * Int64($0.prefill + $0.steps) }
        var work = harness.work(.create(id: "s"), 3)
        work.policy = SessionPolicy(idle: 1, total: 60)
        harness.submit(work)
        harness.finish()
        // Five seconds of computing, and then a step that has waited for all of it.
        let (long, behind) = (harness.absorb(5000, .session("s")), harness.absorb(1, .session("s")))
        harness.finish()
        #expect(try long.result?.get().step == 5003 && behind.result?.get().step == 5004)
        harness.sleep(999_000_000)
        #expect(try harness.step(of: "s") == 5004)
        harness.sleep(2_000_000)
        #expect(throws: SessionError.gone(id: "s", reason: .expired, lastStep: 5004)) { try harness.step(of: "s") }
        let late = harness.absorb(1, .session("s"))
        harness.finish()
        #expect(late.error == .session(.gone(id: "s", reason: .expired, lastStep: 5004)))
    }

    @Test("a session whose life is over ends even in the middle of an operation, at the step it stood at")
    func endedOnTheWay() throws {
        let harness = EngineHarness([try smallModel()]) { 1_000_000 * Int64($0.prefill + $0.steps) }
        var work = harness.work(.create(id: "s"), 3)
        work.policy = SessionPolicy(total: 2)
        harness.submit(work)
        harness.finish()
        let long = harness.absorb(5000, .session("s"))
        harness.finish()
        #expect(long.error == .session(.gone(id: "s", reason: .expired, lastStep: 3)))
    }

    @Test("an unread stream does not keep the scheduler from being stopped") func abandoned() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            var work = Work(model: model.id, target: .create(id: nil), input: .tokens([1]))
            work.generation = generation(100_000)
            let stream = server.scheduler.stream(work)
            _ = try await stream.next()
            server.scheduler.stop(abandoning: true)
            await #expect(throws: InferenceError.draining) {
                while case .event = try await stream.next() {}
            }
        }
    }

    @Test("a generation whose session is deleted ends before its next token") func deleted() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            let first = Work(model: model.id, target: .create(id: "x"), input: .tokens([1]))
            _ = try await server.scheduler.run(first)
            // The stream holds its place; the plain generation behind it starts when the stream ends.
            var work = Work(model: model.id, target: .session("x"), input: .empty)
            work.generation = generation(100_000)
            let stream = server.scheduler.stream(work)
            _ = try await stream.next()
            async let plain = server.scheduler.run([work])
            try server.sessions.delete("x")
            await #expect(throws: InferenceError.self) { while case .event = try await stream.next() {} }
            let result = await plain[0]
            #expect(throws: InferenceError.self) { try result.get() }
        }
    }

    @Test("a work that ends its session does so in its turn: what waits behind it begins the next of the name")
    func endedInTurn() throws {
        let harness = EngineHarness([try smallModel()])
        harness.absorb(3, .create(id: "s"))
        harness.finish()
        let old = try harness.sessions.record("s")
        var last = harness.work(.session("s"), 2)
        (last.serial, last.action) = (old.serial, .end)
        var first = harness.work(.put("s"), 4)
        first.supplied = .init(values: harness.models[0].model.initialState, step: 0)
        let (end, start) = (harness.submit(last), harness.submit(first))
        harness.finish()
        #expect(try end.result?.get().step == 5 && start.result?.get().step == 4)
        #expect(try harness.step(of: "s") == 4)
        #expect(try harness.sessions.record("s").serial != old.serial)
        // One that has ended by other hands is no failure.
        var again = harness.work(.session("s"), 1)
        again.action = .end
        let done = harness.submit(again)
        harness.finish()
        #expect(done.error == nil)
        #expect(throws: SessionError.gone(id: "s", reason: .deleted, lastStep: 5)) { try harness.step(of: "s") }
    }

    @Test("a work of another version of its session does not move it, though the step is the same") func otherVersion()
        throws
    {
        let harness = EngineHarness([try smallModel()])
        harness.absorb(3, .create(id: "s"))
        harness.finish()
        let version = try harness.sessions.record("s").version
        var state = harness.work(.put("s"), 0)
        (state.input, state.supplied) = (.empty, .init(values: harness.models[0].model.initialState, step: 3))
        harness.submit(state)
        harness.finish()
        for (wanted, step) in [(version, nil), (try harness.sessions.record("s").version, 4)] as [(UInt64, Int?)] {
            var work = harness.work(.session("s"), 1)
            (work.expectedStep, work.expectedVersion) = (3, wanted)
            let operation = harness.submit(work)
            harness.finish()
            #expect(operation.error == (step == nil ? .stateReplaced : nil))
            #expect(try harness.step(of: "s") == step ?? 3)
        }
    }
}
