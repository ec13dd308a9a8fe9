import Recurrent
import TestSupport
import Testing

@testable import Inference
@testable import Sessions

@Suite("Streams that are not read, are cancelled or lose their session")
struct StreamTests {
    private func work(_ id: String, _ count: Int, _ model: ServedModel) -> Work {
        var work = Work(model: model.id, target: .session(id), input: .empty)
        work.generation = generation(count, seed: 6)
        return work
    }

    /// Lets `count` batches go by.
    private func ticks(_ count: Int, _ server: Server) async throws {
        for _ in 0..<count {
            _ = try await server.scheduler.run(
                Work(model: server.models[0].id, target: .detached, input: .tokens([1])))
        }
    }

    @Test("an unread stream stops at its capacity while others go on, and goes on when it is read")
    func backPressure() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            try await server.create("a", .tokens([1]))
            try await server.create("b", .tokens([1]))
            let stream = server.scheduler.stream(work("a", 1000, model))
            try await ticks(300, server)
            #expect(try server.sessions.record("a").step == 1 + GenerationStream.capacity)
            let (events, end) = await stream.rest()
            #expect(events.map(\.step) == Array(2...1001))
            let whole = try await server.scheduler.run(work("b", 1000, model))
            #expect(events.map(\.token) == whole.generated?.tokens)
            #expect(try end.get().step == 1001 && server.state("a") == server.state("b"))
        }
    }

    @Test("more unread streams than a batch has rows do not stop the others") func parking() async throws {
        let model = try smallModel()
        var limits = Scheduler.Limits()
        limits.batchRows = 192
        try await withServer([model], limits: limits) { server in
            let count = 192 + 20
            for index in 0..<count { try await server.create("s\(index)", .tokens([index % 8])) }
            let streams = (0..<count).map { server.scheduler.stream(work("s\($0)", 150, model)) }
            try await ticks(300, server)
            for index in 0..<count {
                #expect(try server.sessions.record("s\(index)").step == 1 + GenerationStream.capacity)
            }
            // The last ones are cancelled where they wait; all others are read, some of them at once.
            for stream in streams.suffix(5) {
                stream.cancel()
                #expect(await stream.rest().end.error == .cancelled)
            }
            let wrong = await withTaskGroup(of: Int?.self) { group in
                for (index, stream) in streams.dropLast(5).enumerated() {
                    group.addTask {
                        let alone = Alone(model)
                        alone.absorb(index % 8)
                        let tokens = alone.generate(generation(150, seed: 6))
                        let (events, end) = await stream.rest()
                        let state = try? server.state("s\(index)")
                        return end.error == nil && events.map(\.token) == tokens && state == alone.state ? nil : index
                    }
                }
                return await group.reduce(into: []) { if let index = $1 { $0.append(index) } }
            }
            #expect(wrong.isEmpty)
        }
    }

    @Test(
        "a cancelled stream ends, and its session stands at the last step it reported", arguments: [1, 5, 63, 64, 100])
    func cancelling(read: Int) async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            try await server.create("a", .tokens([1]))
            let stream = server.scheduler.stream(work("a", 100_000, model))
            for _ in 0..<read { _ = try await stream.next() }
            stream.cancel()
            let (events, end) = await stream.rest()
            #expect(end.error == .cancelled)
            #expect(try server.sessions.record("a").step == events.last?.step ?? 1 + read)
            // The session is free again and stands where an undisturbed one would.
            let alone = Alone(model)
            alone.absorb(1)
            _ = alone.generate(generation(read + events.count, seed: 6))
            #expect(try server.state("a") == alone.state)
            #expect(try await server.scheduler.run(work("a", 1, model)).step == read + events.count + 2)
        }
    }

    @Test("a paused stream that is cancelled ends without being read") func cancellingPaused() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            try await server.create("a", .tokens([1]))
            let stream = server.scheduler.stream(work("a", 1000, model))
            try await ticks(200, server)
            stream.cancel()
            // Waits for the stream's work to end, which nobody reads.
            let next = try await server.scheduler.run(work("a", 1, model))
            #expect(next.step == 2 + GenerationStream.capacity)
        }
    }

    @Test("a stream whose session is deleted under it fails with that") func deletion() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            for isTakenAnew in [false, true] {
                try await server.create("a", .tokens([1]))
                let stream = server.scheduler.stream(work("a", 100_000, model))
                _ = try await stream.next()
                try server.sessions.delete("a")
                if isTakenAnew { try await server.create("a", .tokens([2, 3])) }
                let (events, end) = await stream.rest()
                guard case .session(.gone("a", .deleted, _))? = end.error else {
                    Issue.record("it ended with \(end)")
                    continue
                }
                #expect(events.map(\.step) == Array(3..<3 + events.count))
                if isTakenAnew {
                    #expect(try server.sessions.record("a").step == 2)
                } else {
                    #expect(throws: SessionError.self) { try server.sessions.record("a") }
                }
            }
        }
    }

    @Test("works that wait behind a stream run when it has ended") func waitingBehind() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            try await server.create("a", .tokens([1]))
            let stream = server.scheduler.stream(work("a", 200, model))
            async let behind = server.scheduler.run(Work(model: model.id, target: .session("a"), input: .tokens([7])))
            let (events, _) = await stream.rest()
            let steps = [events.last!.step, try await behind.step]
            #expect(steps == [201, 202] || steps == [202, 2])
        }
    }
}
