import Recurrent
import TestSupport
import Testing

@testable import Inference

@Suite("Several generations read by one")
struct GenerationStreamsTests {
    private func works(_ model: ServedModel, _ counts: [Int]) -> [Work] {
        counts.enumerated().map { index, count in
            var work = Work(model: model.id, target: .detached, input: .tokens([index % 8]))
            work.generation = generation(count, seed: UInt64(index))
            return work
        }
    }

    @Test("each gives what it gives alone, whatever the others do") func equal() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            // More than a stream holds, and none that another must wait for.
            let works = works(model, [1, 300, 40, 2, 150])
            let streams = GenerationStreams(works, server.scheduler)
            var tokens = works.map { _ in [Int]() }
            var ended: [Int] = []
            while let (index, element) = try await streams.next() {
                switch element {
                case .event(let event):
                    #expect(!ended.contains(index))
                    tokens[index].append(event.token)
                case .finished(let completion):
                    #expect(completion.generated?.tokens == tokens[index])
                    ended.append(index)
                }
            }
            #expect(ended.sorted() == Array(works.indices) && streams.completions.count == works.count)
            for (index, work) in works.enumerated() {
                #expect(try await server.scheduler.run(work).generated?.tokens == tokens[index])
            }
        }
    }

    @Test("one that is refused ends the reading with its reason") func refused() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            var all = works(model, [1000, 1000])
            all[1].model = "nobody"
            let streams = GenerationStreams(all, server.scheduler)
            await #expect(throws: InferenceError.notServed(model: "nobody")) {
                while try await streams.next() != nil {}
            }
        }
    }
}
