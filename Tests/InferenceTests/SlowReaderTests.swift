import Inference
import Recurrent
import Sessions
import TestSupport
import Testing

@Suite("Readers of streams that are slow", .timeLimit(.minutes(10)))
struct SlowReaderTests {
    /// More than a batch has rows.
    private static let readers = 250
    private static var limits: Scheduler.Limits {
        var limits = Scheduler.Limits()
        limits.batchRows = 192
        return limits
    }

    private func work(_ target: Work.Target, tokens: Int? = nil) -> Work {
        var work = Work(model: "random", target: target, input: .tokens([1, 2, 3]))
        if let tokens {
            work.outputs = .none
            work.generation = Generation(
                maximumTokens: tokens, temperature: 1, topK: 0, topP: 1, seed: 1, stop: [])
        }
        return work
    }

    /// A generation of `tokens` for each of the readers, in sessions of their own.
    private func streams(_ scheduler: Scheduler, tokens: Int) async throws -> [GenerationStream] {
        var streams: [GenerationStream] = []
        for index in 0..<Self.readers {
            _ = try await scheduler.run(work(.create(id: "\(index)")))
            streams.append(scheduler.stream(work(.session("\(index)"), tokens: tokens)))
        }
        return streams
    }

    @Test("hold up nobody else, and their generations go on when they are read") func slow() async throws {
        try await withServer([try served(RandomModel(), as: "random")], limits: Self.limits) { server in
            let (sessions, scheduler) = (server.sessions, server.scheduler)
            let streams = try await streams(scheduler, tokens: 200)
            for _ in 0..<3 { #expect(try await scheduler.run(work(.detached)).step == 3) }

            _ = try await scheduler.run(work(.create(id: "alone")))
            let alone = try await scheduler.run(work(.session("alone"), tokens: 200))
            for stream in streams {
                var tokens: [Int] = []
                while case .event(let event) = try await stream.next() { tokens.append(event.token) }
                #expect(tokens == alone.generated?.tokens)
            }
            for index in 0..<Self.readers { #expect(try sessions.record("\(index)").step == 206) }
        }
    }

    @Test("end when they leave or their session does") func leaving() async throws {
        try await withServer([try served(RandomModel(), as: "random")], limits: Self.limits) { server in
            let (sessions, scheduler) = (server.sessions, server.scheduler)
            let streams = try await streams(scheduler, tokens: 1000)
            _ = try await scheduler.run(work(.detached))
            for stream in streams.dropFirst() { stream.cancel() }
            // Waits behind the generation that was cancelled.
            let step = try await scheduler.run(work(.session("1"))).step
            #expect(step < 1000)
            try sessions.delete("0")
            await #expect(throws: InferenceError.self) {
                while case .event = try await streams[0].next() {}
            }
        }
    }
}
