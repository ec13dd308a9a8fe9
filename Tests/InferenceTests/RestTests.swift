import Kernels
import Recurrent
import Sessions
import TestSupport
import Testing

@testable import Inference

@Suite("Models that rest")
struct RestTests {
    private func models(_ count: Int) throws -> [ServedModel] {
        try (0..<count).map { index in
            var random = RandomModel(seed: UInt64(index))
            (random.inputSize, random.mapsInput, random.vocabularySize) = (nil, true, 19)
            return try served(random, as: "m\(index)")
        }
    }

    @Test("models used once each hold a page or two, and the memory of one batch together") func once() throws {
        let harness = EngineHarness(try models(60))
        #expect(harness.engine.workspaceBytes == 0)
        harness.absorb(3000, model: 0)
        harness.finish()
        let one = harness.engine.workspaceBytes
        #expect(one > 0)
        for model in 1..<60 {
            harness.absorb(3000, model: model)
            harness.finish()
        }
        let largest = harness.models.map { $0.model.state.bytes }.max()!
        // All of them share the activations: of as many rows, and of the widest.
        #expect(harness.engine.workspaceBytes < 8 << 20)
        #expect(harness.engine.workspaceBytes < one + 60 * (largest + 8192) + (6 << 20))
    }

    @Test("what has had nothing to do for a second holds nothing, and goes on with the same bytes") func rest() throws {
        let harness = EngineHarness(try models(3))
        for model in 0..<3 { harness.absorb(40, .create(id: "s\(model)"), model: model) }
        harness.finish()
        #expect(harness.engine.workspaceBytes > 0)
        let due = harness.engine.wakeTime
        #expect(due == harness.now + RestClock.restTime)
        harness.sleep(RestClock.restTime - 1)
        harness.tick()
        #expect(harness.engine.workspaceBytes > 0)
        // One of them goes on, and the others rest meanwhile.
        harness.absorb(1, .session("s0"))
        harness.finish()
        let all = harness.engine.workspaceBytes
        harness.sleep(1)
        harness.tick()
        #expect(harness.engine.workspaceBytes > 0 && harness.engine.workspaceBytes < all)
        harness.sleep(RestClock.restTime)
        harness.tick()
        #expect(harness.engine.workspaceBytes == 0 && harness.engine.wakeTime == .max)
        for model in 0..<3 { harness.absorb(7, .session("s\(model)"), model: model) }
        harness.finish()
        for model in 0..<3 {
            let alone = Alone(harness.models[model])
            for _ in 0..<(model == 0 ? 48 : 47) { alone.absorb(1) }
            let matrix = Matrix(rows: 1, columns: harness.models[model].model.state.count)
            _ = try harness.sessions.load("s\(model)", into: matrix, row: 0, model: "m\(model)")
            #expect(matrix.values(0).map(\.bitPattern) == alone.state)
        }
    }

    @Test("a model with operations under way does not rest, however long they pause") func paused() throws {
        let harness = EngineHarness([try smallModel()])
        var work = harness.work(.create(id: "a"), 3)
        work.generation = generation(500)
        let stream = GenerationStream {}
        let operation = Operation(work, submitted: harness.now, reporter: .stream(stream))
        harness.engine.admit(operation)
        for _ in 0..<400 { harness.tick() }
        #expect(operation.isPaused && operation.result == nil)
        let held = harness.engine.workspaceBytes
        for _ in 0..<5 {
            harness.sleep(2 * RestClock.restTime)
            harness.tick()
            #expect(harness.engine.workspaceBytes == held)
        }
        operation.cancel()
        harness.engine.sweep()
        harness.sleep(2 * RestClock.restTime)
        harness.tick()
        #expect(operation.result != nil && harness.engine.workspaceBytes == 0)
    }

    @Test("a burst of many sessions holds their states, and one after it no more than its own") func burst() throws {
        let harness = EngineHarness([try smallModel()])
        for index in 0..<400 { harness.absorb(1, .create(id: "s\(index)")) }
        harness.finish()
        let burst = harness.engine.workspaceBytes
        harness.sleep(RestClock.restTime)
        harness.tick()
        #expect(harness.engine.workspaceBytes == 0)
        harness.absorb(1, .session("s7"))
        harness.finish()
        #expect(harness.engine.workspaceBytes > 0 && harness.engine.workspaceBytes < burst / 4)
    }
}
