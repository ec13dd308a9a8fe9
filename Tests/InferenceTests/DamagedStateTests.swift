import Recurrent
import Synchronization
import TestSupport
import Testing

@testable import Inference
@testable import Sessions

@Suite("States that the disk has changed")
struct DamagedStateTests {
    /// What the log says.
    private final class Notices: Sendable {
        private let texts = Mutex<[String]>([])
        var all: [String] { texts.withLock { $0 } }
        func add(_ text: String) { texts.withLock { $0.append(text) } }
    }

    /// A folder with the sessions a, with checkpoints at steps 1 and 2, and b, both at step 3.
    private func folder(_ model: ServedModel, _ durability: Durability) async throws -> TemporaryFolder {
        let folder = TemporaryFolder()
        let server = try DurableServer(model, in: folder.path)
        for id in ["a", "b"] {
            try await server.create(id, durability, [1])
            _ = try await server.act(id, .checkpoint(name: "one"))
            try await server.absorb(id, [2])
            _ = try await server.act(id, .checkpoint(name: "two"))
            try await server.absorb(id, [3])
        }
        server.stop()
        return folder
    }

    private func open(_ model: ServedModel, _ folder: TemporaryFolder, _ notices: Notices) throws -> DurableServer {
        var options = SessionStore.Options()
        options.notice = { notices.add($0) }
        return try DurableServer(model, in: folder.path, options: options)
    }

    private func change(_ folder: TemporaryFolder, _ sql: String) throws {
        let database = try Database(path: folder.path + "/sessions.sqlite")
        try database.execute(sql)
        database.close()
    }

    private let gone = InferenceError.session(.gone(id: "a", reason: .damaged, lastStep: 3))
    private static let ofA = "WHERE serial = (SELECT serial FROM sessions WHERE id = 'a')"

    @Test(
        "a session whose state is damaged is gone, with one line in the log, until it is given another",
        arguments: Durability.allCases,
        [
            Work.Action.rewind(.step(0)), .rewind(.checkpoint("one")), .rewind(.step(2)), nil,
        ])
    func state(durability: Durability, mending: Work.Action?) async throws {
        let model = try smallModel()
        let folder = try await folder(model, durability)
        try change(folder, "UPDATE states SET state = randomblob(length(state)) \(Self.ofA)")
        let notices = Notices()
        var server = try open(model, folder, notices)
        if mending == nil || durability != .sync {
            for _ in 0..<2 {
                await #expect(throws: gone) { try await server.absorb("a", [1]) }
                await #expect(throws: gone) { try await server.state("a") }
                await #expect(throws: gone) { try await server.act("a", .checkpoint(name: "three")) }
                await #expect(throws: gone) { try await server.act("a", .fork(into: ["f"])) }
            }
            #expect(try server.sessions.record("a").isDamaged)
            #expect(try await server.act("a", .listCheckpoints).checkpoints.map(\.name) == ["one", "two"])
        }
        #expect(try await server.absorb("b", [1]).step == 4)
        var tokens: [Int]
        if let mending {
            let step = try await server.act("a", mending).step
            tokens = Array([1, 2, 3].prefix(step))
            #expect([.rewind(.step(0)), .rewind(.checkpoint("one")), .rewind(.step(2))][step] == mending)
        } else {
            var create = Work(model: model.id, target: .create(id: "a"), input: .tokens([1]))
            (create.replaces, create.policy) = (true, SessionPolicy(durability: durability))
            _ = try await server.scheduler.run(create)
            tokens = [1]
        }
        #expect(try !server.sessions.record("a").isDamaged)
        #expect(notices.all.count == 1 && notices.all[0].contains("\"a\""), "\(notices.all)")
        for round in 0..<2 {
            try await server.absorb("a", [5])
            tokens.append(5)
            #expect(try await server.state("a").bits == model.state(after: tokens))
            server.stop()
            if round == 0 { server = try open(model, folder, notices) }
        }
        #expect(notices.all.count == 1)
    }

    @Test("a damaged checkpoint is refused, and all else of its session is there") func checkpoint() async throws {
        let model = try smallModel()
        let folder = try await folder(model, .sync)
        try change(folder, "UPDATE checkpoints SET state = zeroblob(length(state)) \(Self.ofA) AND name = 'one'")
        let notices = Notices()
        let server = try open(model, folder, notices)
        for target in [RewindTarget.checkpoint("one"), .step(1), .checkpoint("one")] {
            await #expect(throws: InferenceError.session(.checkpointDamaged(name: "one"))) {
                try await server.act("a", .rewind(target))
            }
        }
        #expect(notices.all.count == 1 && notices.all[0].contains("\"one\""), "\(notices.all)")
        #expect(try await server.absorb("a", [4]).step == 4)
        #expect(try await server.act("a", .rewind(.checkpoint("two"))).step == 2)
        #expect(try await server.state("a").bits == model.state(after: [1, 2]))
        _ = try await server.act("a", .deleteCheckpoint(name: "one"))
        #expect(try await server.act("a", .listCheckpoints).checkpoints.map(\.name) == ["two"])
        server.stop()
    }

    @Test("a checkpoint whose name or step is damaged is left out, and the others are there") func name() async throws {
        let model = try smallModel()
        let folder = try await folder(model, .sync)
        try change(folder, "UPDATE checkpoints SET step = 7 \(Self.ofA) AND name = 'one'")
        let notices = Notices()
        let server = try open(model, folder, notices)
        for _ in 0..<2 {
            #expect(try await server.act("a", .listCheckpoints).checkpoints.map(\.name) == ["two"])
            await #expect(throws: InferenceError.session(.checkpointDamaged(name: "one"))) {
                try await server.act("a", .rewind(.checkpoint("one")))
            }
        }
        #expect(try await server.act("a", .rewind(.step(2))).step == 2)
        #expect(notices.all.count == 2, "\(notices.all)")
        server.stop()
    }
}
