import Kernels
import Recurrent
import TestSupport
import Testing
import Threading

@testable import Inference
@testable import Sessions

@Suite("What is refused moves nothing")
struct RefusalTests {
    private func works(_ count: Int, _ target: Work.Target, _ model: ServedModel) -> [Work] {
        (0..<count).map { Work(model: model.id, target: target, input: .tokens([$0 % 8])) }
    }

    @Test("another step than expected is refused with the true one") func expectedStep() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            try await server.create("s", .tokens([1, 2, 3]))
            let before = try server.state("s")
            for expected in [0, 2, 4, -1, .max] {
                var work = works(1, .session("s"), model)[0]
                work.expectedStep = expected
                #expect(await server.scheduler.run([work])[0].error == .stepMismatch(expected: expected, step: 3))
            }
            #expect(try server.state("s") == before && server.sessions.record("s").step == 3)
            var right = works(1, .session("s"), model)[0]
            right.expectedStep = 3
            #expect(try await server.scheduler.run(right).step == 4)
        }
    }

    @Test("more works for one session than may wait are refused, in order") func sessionQueue() async throws {
        let model = try smallModel()
        var limits = Scheduler.Limits()
        limits.worksPerSession = 2
        try await withServer([model], limits: limits) { server in
            try await server.create("s")
            for round in 1...20 {
                let results = await server.scheduler.run(works(6, .session("s"), model))
                for index in 0..<6 {
                    #expect(results[index].error == (index < 3 ? nil : .sessionQueueFull(limit: 2)))
                }
                #expect(try server.sessions.record("s").step == 3 * round)
            }
        }
    }

    @Test("more works than the server takes are refused, and an ended work has left its place") func queue()
        async throws
    {
        let model = try smallModel()
        var limits = Scheduler.Limits()
        limits.works = 3
        try await withServer([model], limits: limits) { server in
            #expect(
                await server.scheduler.run(works(4, .detached, model)).map(\.error)
                    == Array(repeating: .queueFull(limit: 3), count: 4))
            for _ in 0..<300 {
                let results = await server.scheduler.run(works(3, .detached, model))
                #expect(results.compactMap(\.error) == [])
            }
        }
    }

    @Test("unknown, gone and foreign sessions are refused for what they are") func sessions() async throws {
        let models = [try smallModel(), try vectorModel()]
        try await withServer(models) { server in
            try await server.create("old", .tokens([1]))
            try server.sessions.delete("old")
            try await server.create("other", model: 1)
            let targets = ["none", "old", "other"].flatMap { works(1, .session($0), models[0]) }
            #expect(
                await server.scheduler.run(targets).map(\.error) == [
                    .session(.unknown(id: "none")), .session(.gone(id: "old", reason: .deleted, lastStep: 1)),
                    .session(.otherModel(id: "other", model: models[1].id)),
                ])
        }
    }

    @Test("of works that create the same session one wins, and a taken name is refused") func creation() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            let results = await server.scheduler.run(works(10, .create(id: "s"), model))
            #expect(results.filter { $0.error == nil }.count == 1)
            #expect(results.compactMap(\.error) == Array(repeating: .session(.exists(id: "s")), count: 9))
            #expect(
                await server.scheduler.run(works(1, .create(id: "s"), model))[0].error == .session(.exists(id: "s")))
            #expect(server.sessions.count == 1)
        }
    }

    @Test("an overflow anywhere in a long input leaves the session where it was", arguments: [0, 1, 57, 200, 399])
    func nonFinite(place: Int) async throws {
        let model = try vectorModel()
        var values = [Float](repeating: 0.5, count: 1200)
        for index in 0..<3 { values[place * 3 + index] = 3.4e38 }
        let input = InputSequence.vectors(values, count: 400)
        try await withServer([model]) { server in
            try await server.create("s", .vectors([1, 2, 3], count: 1))
            let before = try server.state("s")
            for outputs in [Work.Outputs.none, .last, .all] {
                var work = Work(model: model.id, target: .session("s"), input: input)
                work.outputs = outputs
                #expect(await server.scheduler.run([work])[0].error == .nonFinite(step: 1 + place))
                work.target = .create(id: "new")
                #expect(await server.scheduler.run([work])[0].error == .nonFinite(step: place))
            }
            #expect(try server.state("s") == before && server.sessions.record("s").step == 1)
            #expect(throws: SessionError.unknown(id: "new")) { try server.sessions.record("new") }
        }
    }

    @Test("an overflow that the state forgets is still found, wherever the batch is cut") func forgottenOverflow()
        async throws
    {
        // One channel whose candidate turns −∞ to 0: the hidden state survives an infinite input.
        let folder = TemporaryFolder()
        let configuration = """
            {"cell": "minGRU", "candidate": "log-space", "order": "paper", "layers": 1, "width": 1,
             "input": {"kind": "vectors", "size": 1}, "output": {"kind": "vectors", "size": 1}}
            """
        folder.write("m/config.json", configuration)
        folder.write(
            "m/model.safetensors",
            Safetensors.data([
                ("input.weight", [1, 1], [1e20]), ("layers.0.rnn.candidate.weight", [1, 1], [-1]),
                ("layers.0.rnn.gate.weight", [1, 1], [1]), ("output.weight", [1, 1], [1]),
            ]))
        let model = ServedModel(try .init(path: folder.path + "/m"), created: 0)
        try await withServer([model]) { server in
            for values: [Float] in [[1e30], [1e30, 1e-20], [1e-20, 1e30, 1e-20, 0]] {
                var work = Work(model: "m", target: .detached, input: .vectors(values, count: values.count))
                for outputs in [Work.Outputs.none, .last, .all] {
                    work.outputs = outputs
                    let step = values.firstIndex(of: 1e30)!
                    #expect(await server.scheduler.run([work])[0].error == .nonFinite(step: step))
                }
            }
        }
    }

    @Test("a work that was cancelled before it began does nothing") func cancelledBefore() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            try await server.create("s", .tokens([1]))
            let all = works(3, .session("s"), model) + works(2, .create(id: nil), model)
            let results = await withTaskGroup(of: [Result<Completion, InferenceError>].self) { group in
                group.cancelAll()
                group.addTask { await server.scheduler.run(all) }
                return await group.next()!
            }
            #expect(results.map(\.error) == Array(repeating: .cancelled, count: 5))
            #expect(try server.sessions.record("s").step == 1 && server.sessions.count == 1)
        }
    }

    @Test("stopping finishes what runs and refuses what comes") func stopping() async throws {
        let model = try smallModel()
        let server = Server([model])
        let works = (0..<20).map { _ in
            Work(model: model.id, target: .create(id: nil), input: .tokens([Int](repeating: 2, count: 2000)))
        }
        let results = server.scheduler.results(works)
        server.scheduler.stop()
        var steps: [Int] = []
        for await (_, result) in results { steps.append(try result.get().step) }
        #expect(steps == Array(repeating: 2000, count: 20) && server.sessions.count == 20)
        #expect(await server.scheduler.run(works).map(\.error) == Array(repeating: .draining, count: 20))
        var work = works[0]
        work.generation = generation(3)
        #expect(await server.scheduler.stream(work).rest().end.error == .draining)
        server.scheduler.stop()
    }

    @Test("a state that is not finite is not saved, whatever the outputs are") func stateAlone() throws {
        let model = try smallModel()
        let sessions = SessionTable(budget: 1 << 20) { 0 }
        var ended: [Operation] = []
        let lane = Lane(
            model, sessions, slots: LaneSlots(rows: 128), activations: Activations(team: Team(threads: 1)),
            clock: { 0 }, willCompute: { _ in },
            wait: { _, _ in }, ended: { ended.append($0) })
        var work = Work(model: model.id, target: .create(id: "s"), input: .tokens(.init(repeating: 1, count: 1000)))
        work.usesCache = false
        let operation = Operation(work, submitted: 0)
        lane.add(operation)
        _ = lane.tick(at: 0, prefillTime: 0)
        #expect(operation.slot >= 0 && ended.isEmpty)
        let step = operation.step
        lane.workspace.states.set(
            operation.slot, to: [Float](repeating: .nan, count: model.model.state.count))
        lane.conclude(BatchBuilder.Run(operation: operation, count: 1), at: 0)
        #expect(operation.error == .nonFinite(step: step) && ended.count == 1)
        #expect(throws: SessionError.unknown(id: "s")) { try sessions.record("s") }
    }
}
