import EventLoop
import Inference
import Recurrent
import Sessions
import Synchronization
import TestSupport
import Testing

@testable import API

@Suite("What is kept of streams that may be gone on with")
struct ResumptionsTests {
    /// Sessions on a clock that stands still; `resumptions` is notified when one of its sessions ends.
    private final class Setting: Sendable {
        let resumptions: Resumptions
        let sessions: SessionTable
        let scheduler: Scheduler
        let served: ServedModel

        init(limit: Int = Resumptions.limit) throws {
            let folder = TemporaryFolder()
            var model = RandomModel()
            (model.layers, model.width, model.innerWidth, model.mlpWidth, model.vocabularySize) = (1, 8, 8, nil, 8)
            let path = model.write(to: folder, name: "letters", characters: "abcdefgh")
            served = ServedModel(try ModelFolder(path: path), created: 0)
            resumptions = Resumptions(limit: limit)
            let clock = Clock()
            self.clock = clock
            sessions = SessionTable(budget: 64 << 20) { clock.seconds }
            scheduler = Scheduler([served], sessions: sessions) { MonotonicInstant.now.nanoseconds }
            sessions.whenEnded { [resumptions] in resumptions.forget($0.id, serial: $0.serial) }
        }

        final class Clock: Sendable {
            private let now = Atomic<Int>(0)
            var seconds: Double { Double(now.load(ordering: .relaxed)) }
            func move(_ seconds: Int) { now.add(seconds, ordering: .relaxed) }
        }

        let clock: Clock

        /// A stream of `count` tokens behind an input of `inputs` in a new session.
        func begin(_ id: String, _ count: Int, behind inputs: Int = 3, idle: Double = .infinity) async throws
            -> GenerationStreams
        {
            try await makeSession(id, idle: idle)
            return begin(try work(id, count, behind: inputs))
        }

        func makeSession(_ id: String, idle: Double = .infinity) async throws {
            var creation = Work(model: served.id, target: .create(id: id), input: .empty)
            creation.policy = SessionPolicy(idle: idle)
            _ = try await scheduler.run(creation)
        }

        /// A generation of `count` tokens behind an input of `inputs` in a session that there is.
        func work(_ id: String, _ count: Int, behind inputs: Int = 3) throws -> Work {
            let session = try sessions.record(id)
            var work = Work(
                model: served.id, target: .session(id), input: .tokens([Int](repeating: 1, count: inputs)))
            (work.serial, work.outputs, work.usesCache) = (session.serial, .none, false)
            work.generation = Generation(maximumTokens: count, temperature: 1, topK: 0, topP: 1, seed: 1, stop: [])
            return work
        }

        func begin(_ work: Work, _ digest: String = "digest") -> GenerationStreams {
            guard case .session(let id) = work.target else { preconditionFailure() }
            let stream = resumptions.begin(work, digest, scheduler) { [sessions] in
                (try? sessions.check(id, serial: work.serial!)) != nil
            }
            return GenerationStreams(stream.stream)
        }
    }

    private func withSetting(
        limit: Int = Resumptions.limit, _ body: (Setting) async throws -> Void
    ) async throws {
        let setting = try Setting(limit: limit)
        defer { setting.scheduler.stop(abandoning: true) }
        try await body(setting)
    }

    private func count(_ streams: GenerationStreams) async throws -> Int {
        var count = 0
        while case .event? = try await streams.next()?.element { count += 1 }
        return count
    }

    @Test("it is a few hundred bytes and what was emitted, however long the input was") func size() async throws {
        try await withSetting { setting in
            for (index, inputs) in [3, 20_000].enumerated() {
                let before = setting.resumptions.figures.bytes
                let streams = try await setting.begin("s\(index)", 100, behind: inputs)
                #expect(try await count(streams) == 100)
                let bytes = setting.resumptions.figures.bytes - before
                #expect((Resumptions.overhead + 400...Resumptions.overhead + 1200).contains(bytes), "\(bytes)")
            }
            #expect(setting.resumptions.figures.count == 2)
        }
    }

    @Test("it grows with what is emitted") func growth() async throws {
        try await withSetting { setting in
            let streams = try await setting.begin("s", 5000)
            let before = setting.resumptions.figures.bytes
            #expect(before < 2 * Resumptions.overhead)
            #expect(try await count(streams) == 5000)
            #expect((before + 20_000...before + 41_000).contains(setting.resumptions.figures.bytes))
        }
    }

    @Test("it goes with its session: deleted, expired or evicted") func ends() async throws {
        try await withSetting { setting in
            for (id, idle) in [("deleted", Double.infinity), ("expires", 5)] {
                let streams = try await setting.begin(id, 10, idle: idle)
                #expect(try await count(streams) == 10)
            }
            #expect(setting.resumptions.figures.count == 2)
            try setting.sessions.delete("deleted")
            #expect(setting.resumptions.figures.count == 1)
            setting.clock.move(6)
            #expect(setting.sessions.count == 0)
            #expect(setting.resumptions.figures == (0, 0))
        }
    }

    @Test("a request that is refused leaves the stream before it, and one that gives an event takes its place")
    func refused() async throws {
        try await withSetting { setting in
            #expect(try await count(setting.begin("s", 10)) == 10)
            let before = setting.resumptions.figures
            for refusal in ["step", "deadline", "other"] {
                var work = try setting.work("s", 5)
                if refusal == "deadline" { work.deadline = 0 } else { work.expectedStep = 3 }
                let streams = setting.begin(work, refusal == "other" ? "other" : "digest")
                await #expect(throws: InferenceError.self) { try await count(streams) }
                #expect(setting.resumptions.figures == before)
            }
            let again = try await setting.resumptions.resume(
                setting.work("s", 10), "digest", "13", setting.served, setting.scheduler)
            #expect(again.seen == 13)
            #expect(try await count(GenerationStreams(again.stream)) == 0)

            #expect(try await count(setting.begin(setting.work("s", 10), "other")) == 10)
            #expect(setting.resumptions.figures.count == 1)
            await #expect(throws: Problem.self) {
                _ = try await setting.resumptions.resume(
                    setting.work("s", 10), "digest", "13", setting.served, setting.scheduler)
            }
        }
    }

    @Test("a reader whose stream another has gone on with learns that, and never that its client is gone")
    func takenOver() async throws {
        try await withSetting { setting in
            try await setting.makeSession("s")
            let first = try setting.begin(setting.work("s", 5000))
            var readers = [first]
            #expect(try await first.next() != nil)
            for _ in 0..<3 {
                let next = try await setting.resumptions.resume(
                    setting.work("s", 5000), "digest", "4", setting.served, setting.scheduler)
                await #expect(throws: InferenceError.takenOver) { try await count(readers.last!) }
                readers.append(GenerationStreams(next.stream))
            }
            // The last has what the others left.
            _ = try await count(readers.last!)
            #expect(try setting.sessions.record("s").step == 5003)
        }
    }

    @Test("a stream is not kept of a session that has ended before its first event could be") func endedBefore()
        async throws
    {
        try await withSetting { setting in
            try await setting.makeSession("s")
            let work = try setting.work("s", 10)
            let stream = setting.resumptions.begin(work, "digest", setting.scheduler) { false }
            #expect(try await count(GenerationStreams(stream.stream)) == 10)
            #expect(setting.resumptions.figures == (0, 0))
        }
    }

    @Test("all together stay within their limit, also while they grow, and streams go on without it") func limit()
        async throws
    {
        let limit = 8 * Resumptions.overhead
        try await withSetting(limit: limit) { setting in
            for index in 0..<20 {
                let streams = try await setting.begin("s\(index)", 10)
                #expect(try await count(streams) == 10)
                #expect(setting.resumptions.figures.bytes <= limit)
            }
            #expect((4...7).contains(setting.resumptions.figures.count))
            // Too large to be kept, and read to its end all the same.
            let streams = try await setting.begin("large", 5000)
            #expect(try await count(streams) == 5000)
            #expect(setting.resumptions.figures == (0, 0))
        }
    }
}
