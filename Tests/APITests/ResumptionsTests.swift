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
            var creation = Work(model: served.id, target: .create(id: id), input: .empty)
            creation.policy = SessionPolicy(idle: idle)
            let session = try await scheduler.run(creation).session!
            var work = Work(
                model: served.id, target: .session(id), input: .tokens([Int](repeating: 1, count: inputs)))
            (work.serial, work.outputs, work.usesCache) = (session.serial, .none, false)
            work.generation = Generation(maximumTokens: count, temperature: 1, topK: 0, topP: 1, seed: 1, stop: [])
            return GenerationStreams(resumptions.begin(work, "digest", scheduler).stream)
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
