import Recurrent
import Sessions
import Testing

@testable import Inference

@Suite("The largest step")
struct StepLimitTests {
    /// A work that puts a session to `step`, with the initial state.
    private func put(_ id: String, _ model: ServedModel, at step: Int) -> Work {
        var work = Work(model: model.id, target: .put(id), input: .empty)
        (work.outputs, work.supplied) = (.none, .init(values: model.model.initialState, step: step))
        return work
    }

    @Test("a work that could take a sequence beyond the largest step is refused, and its session has not moved")
    func refused() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            _ = try await server.scheduler.run(put("a", model, at: Steps.largest - 3))
            func work(_ count: Int, generating: Int? = nil) -> Work {
                var work = Work(
                    model: model.id, target: .session("a"), input: .tokens(.init(repeating: 1, count: count)))
                work.generation = generating.map { generation($0) }
                return work
            }
            for work in [work(4), work(2, generating: 2), work(0, generating: 4)] {
                await #expect(
                    throws: InferenceError.stepLimit(step: Steps.largest - 3, limit: Steps.largest)
                ) { try await server.scheduler.run(work) }
            }
            #expect(try await server.scheduler.run(work(1, generating: 2)).step == Steps.largest)
            await #expect(throws: InferenceError.stepLimit(step: Steps.largest, limit: Steps.largest)) {
                try await server.scheduler.run(work(1))
            }
            #expect(try server.sessions.record("a").step == Steps.largest)
        }
    }

    @Test("a sequence of a supplied state is refused as a session is") func supplied() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            var work = Work(model: model.id, target: .detached, input: .tokens([1]))
            work.supplied = .init(values: model.model.initialState, step: Steps.largest)
            await #expect(throws: InferenceError.stepLimit(step: Steps.largest, limit: Steps.largest)) {
                try await server.scheduler.run(work)
            }
        }
    }
}
