import Foundation
import Kernels
import Recurrent
import TestSupport
import Testing

@testable import Inference
@testable import Sessions

@Suite("Sessions on disk")
struct DiskTests {
    @Test("sessions over the budget go to disk and come back as they were, none lost", arguments: Durability.allCases)
    func spill(durability: Durability) async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        let cost = model.model.state.bytes + SessionTable.overheadBytes
        // Names and places of all, states of twenty.
        let budget = 200 * SessionTable.overheadBytes + 20 * cost
        let server = try DurableServer(model, in: folder.path, budget: budget)
        for index in 0..<200 { try await server.create("s\(index)", durability, [index % 8, index / 8 % 8]) }
        #expect(server.sessions.count == 200)
        #expect(server.sessions.usedMemory <= budget)
        var tokens = (0..<200).map { [$0 % 8, $0 / 8 % 8] }
        var random = SeededGenerator(seed: 4)
        for turn in 0..<600 {
            let index = Int.random(in: 0..<200, using: &random)
            tokens[index].append(turn % 8)
            #expect(try await server.absorb("s\(index)", [turn % 8]).step == tokens[index].count)
        }
        #expect(server.sessions.usedMemory <= budget + budget / 8)
        for index in 0..<200 { #expect(try await server.state("s\(index)").bits == model.state(after: tokens[index])) }
        server.stop()

        // What an orderly end has saved is there, and in order of creation.
        let again = try DurableServer(model, in: folder.path, budget: budget)
        #expect(try again.sessions.list(limit: 1000, after: nil).records.map(\.id) == (0..<200).map { "s\($0)" })
        for index in 0..<200 { #expect(try await again.state("s\(index)").bits == model.state(after: tokens[index])) }
        again.stop()
    }

    @Test("replies, checkpoints and policies come back with their session") func belongings() async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        for durability in Durability.allCases {
            let id = durability.rawValue
            var server = try DurableServer(model, in: folder.path)
            var create = Work(model: model.id, target: .create(id: id), input: .tokens([1, 2, 3]))
            create.policy = SessionPolicy(idle: 50, total: 100, recentStates: 2, durability: durability)
            _ = try await server.scheduler.run(create)
            _ = try await server.act(id, .checkpoint(name: "third"))
            var step = Work(model: model.id, target: .session(id), input: .tokens([4]))
            step.idempotency = Work.Idempotency(key: "k", digest: "d") { Array("step \($0.step)".utf8) }
            _ = try await server.scheduler.run(step)
            let record = try server.sessions.record(id)
            server.stop()

            server = try DurableServer(model, in: folder.path)
            let stored = try server.sessions.record(id)
            #expect(!stored.isInMemory && stored.step == 4 && stored.policy == create.policy)
            #expect(stored.serial == record.serial && stored.createdAt == record.createdAt)
            let replayed = try await server.scheduler.run(step)
            #expect(replayed.isReplayed && replayed.reply == Array("step 4".utf8))
            #expect(try await server.act(id, .rewind(.checkpoint("third"))).step == 3)
            #expect(try await server.state(id).bits == model.state(after: [1, 2, 3]))
            server.stop()
        }
    }

    @Test("what was absorbed in blocks at once comes back with the same bytes") func associative() async throws {
        let (model, folder, supply) = (try smallModel(), TemporaryFolder(), PowerSupply("associative"))
        var server = try DurableServer(model, in: folder.path, options: supply.options)
        try await server.create("a", .sync, [1])
        for scan in [ScanMode.associative, .exact, .associative, .associative] {
            try await server.absorb("a", (0..<90).map { $0 % 7 }, scan: scan)
        }
        let before = try await server.state("a")
        supply.cut()
        server.stop()
        #expect(supply.restore(seed: 1) >= 0)
        server = try DurableServer(model, in: folder.path, options: supply.options)
        let after = try await server.state("a")
        #expect(after.step == 361 && after.bits == before.bits)
        server.stop()
    }

    @Test("of sessions that only memory had a crash leaves a tombstone where the disk knew them") func lost()
        async throws
    {
        let (model, folder, supply) = (try smallModel(), TemporaryFolder(), PowerSupply("lost"))
        var server = try DurableServer(model, in: folder.path)
        for id in ["touched", "untouched"] { try await server.create(id, .none, [1, 2]) }
        server.stop()
        server = try DurableServer(model, in: folder.path, options: supply.options)
        try await server.absorb("touched", [3])
        try await server.create("new", .none, [1])
        supply.cut()
        server.stop()
        #expect(supply.restore(seed: 0) >= 0)
        server = try DurableServer(model, in: folder.path)
        #expect(throws: SessionError.gone(id: "touched", reason: .lost, lastStep: 2)) {
            try server.sessions.record("touched")
        }
        #expect(throws: SessionError.unknown(id: "new")) { try server.sessions.record("new") }
        #expect(try await server.state("untouched").bits == model.state(after: [1, 2]))
        server.stop()
    }

    @Test("deleted and expired sessions do not come back") func ended() async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        var server = try DurableServer(model, in: folder.path)
        for id in ["deleted", "stays", "expires"] {
            var create = Work(model: model.id, target: .create(id: id), input: .tokens([1]))
            create.policy = SessionPolicy(idle: id == "expires" ? 10 : .infinity, durability: .sync)
            _ = try await server.scheduler.run(create)
        }
        try await server.store.durable(try server.sessions.delete("deleted"))
        server.stop()
        server = try DurableServer(model, in: folder.path, clock: { 60 })
        #expect(server.sessions.count == 1)
        #expect(throws: SessionError.unknown(id: "deleted")) { try server.sessions.record("deleted") }
        #expect(throws: SessionError.gone(id: "expires", reason: .expired, lastStep: 1)) {
            try server.sessions.record("expires")
        }
        server.stop()
        server = try DurableServer(model, in: folder.path)
        #expect(throws: SessionError.unknown(id: "expires")) { try server.sessions.record("expires") }
        #expect(try await server.state("stays").step == 1)
        server.stop()
    }

    @Test("with no space left a move is refused and nothing has moved; what needs no disk goes on") func full()
        async throws
    {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        var options = SessionStore.Options()
        (options.limit, options.journalLimit) = (160_000, 1 << 30)
        var server = try DurableServer(model, in: folder.path, options: options)
        try await server.create("durable", .sync, [1])
        try await server.create("memory", .none, [1])
        var tokens = [1]
        var refusal: InferenceError?
        for turn in 0..<4000 where refusal == nil {
            let some = (0..<60).map { ($0 + turn) % 8 }
            do throws(InferenceError) {
                try await server.absorb("durable", some)
                tokens += some
            } catch {
                refusal = error
            }
        }
        #expect(refusal == .session(.store(.full)))
        var made = 0
        while (try? await server.create("other-\(made)", .sync, [1])) != nil, made < 2000 { made += 1 }
        #expect(throws: SessionError.unknown(id: "other-\(made)")) { try server.sessions.record("other-\(made)") }
        // What is left takes less than those.
        while (try? await server.absorb("durable", [1])) != nil, tokens.count < 300_000 { tokens.append(1) }
        for _ in 0..<3 {
            #expect(try server.sessions.record("durable").step == tokens.count)
            await #expect(throws: InferenceError.session(.store(.full))) { try await server.absorb("durable", [1]) }
            await #expect(throws: InferenceError.session(.store(.full))) {
                try await server.create("other", .sync, [1])
            }
            #expect(throws: SessionError.unknown(id: "other")) { try server.sessions.record("other") }
            try await server.absorb("memory", [2])
        }
        #expect(try await server.state("durable").bits == model.state(after: tokens))
        server.stop()

        // With more space it goes on where it stood.
        server = try DurableServer(model, in: folder.path)
        #expect(try await server.state("durable").bits == model.state(after: tokens))
        #expect(try await server.absorb("durable", [1]).step == tokens.count + 1)
        server.stop()
    }

    @Test("at the end as many sessions are written as the disk takes, and the others are counted") func fullAtTheEnd()
        async throws
    {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        var options = SessionStore.Options()
        options.limit = 160_000
        var server = try DurableServer(model, in: folder.path, options: options)
        let count = 1000
        for index in 0..<count { try await server.create("\(index)", .none, [index % 8]) }
        server.scheduler.stop()
        let unsaved = server.store.stop()
        #expect((1..<count).contains(unsaved))
        server = try DurableServer(model, in: folder.path)
        #expect(server.sessions.count == count - unsaved)
        var found = 0
        for index in 0..<count where (try? server.sessions.record("\(index)")) != nil {
            found += 1
            if found % 50 == 1 { #expect(try await server.state("\(index)").bits == model.state(after: [index % 8])) }
        }
        #expect(found == count - unsaved)
        server.stop()
    }

    @Test("a session of a model that has changed is refused, and there when the model is back") func otherModel()
        async throws
    {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        var server = try DurableServer(model, in: folder.path)
        try await server.create("a", .sync, [1, 2])
        server.stop()
        server = try DurableServer(try smallModel(cell: "minLSTM"), in: folder.path)
        let misfit = Misfit(model: "tokens", difference: "another architecture and other tensors")
        await #expect(throws: InferenceError.session(.store(.otherModel(misfit)))) {
            try await server.absorb("a", [1])
        }
        #expect(try server.store.misfit(server.sessions.record("a")) == misfit)
        try await server.create("b", .sync, [1])
        server.stop()
        server = try DurableServer(model, in: folder.path)
        #expect(try await server.state("a").bits == model.state(after: [1, 2]))
        server.stop()
    }

    @Test("folders that cannot be used are refused with the reason") func folders() async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        func refusal() -> StoreError? {
            do throws(StoreError) {
                try DurableServer(model, in: folder.path).stop()
                return nil
            } catch {
                return error
            }
        }
        let server = try DurableServer(model, in: folder.path)
        try await server.create("a", .sync, [1])
        #expect(refusal() == .inUse)
        server.stop()
        #expect(refusal() == nil)
        let path = folder.path + "/sessions.sqlite"
        let file = try Data(contentsOf: URL(fileURLWithPath: path))
        folder.write("sessions.sqlite", "this is no database, though it is as long as the head of one would be......")
        guard case .damaged? = refusal() else { return #expect(Bool(false), "\(String(describing: refusal()))") }
        for place in [60, 68] {
            var other = file
            other[place + 3] ^= 0x40
            folder.write("sessions.sqlite", other)
            guard case .foreign? = refusal() else { return #expect(Bool(false), "\(String(describing: refusal()))") }
        }
        folder.write("sessions.sqlite", file)
        #expect(refusal() == nil)
        #expect(throws: StoreError.self) { try DurableServer(model, in: path) }
    }

    @Test("a session that nobody waits for is on disk a moment later") func behind() async throws {
        let (model, folder, supply) = (try smallModel(), TemporaryFolder(), PowerSupply("behind"))
        var options = supply.options
        options.flushInterval = .milliseconds(1)
        var server = try DurableServer(model, in: folder.path, options: options)
        try await server.create("a", .async, [1])
        try await server.absorb("a", [2, 3])
        // The commit of one who waits is behind those that were queued before.
        try await server.create("b", .sync)
        supply.cut()
        server.stop()
        #expect(supply.restore(seed: 3) >= 0)
        server = try DurableServer(model, in: folder.path, options: options)
        #expect(try await server.state("a").bits == model.state(after: [1, 2, 3]))
        server.stop()
    }

    @Test("an asynchronous session whose moves were not taken is written when the disk is back") func catchingUp()
        async throws
    {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        var options = SessionStore.Options()
        (options.limit, options.journalLimit, options.flushInterval) = (160_000, 1 << 30, .milliseconds(1))
        var server = try DurableServer(model, in: folder.path, options: options)
        try await server.create("late", .async, [1])
        for index in 0..<40 { try await server.create("filler-\(index)", .none, [1]) }
        var tokens = [1]
        for turn in 0..<3000 {
            let some = (0..<60).map { ($0 + turn) % 8 }
            try await server.absorb("late", some)
            tokens += some
        }
        #expect(try server.sessions.record("late").step == tokens.count)
        server.stop()
        options.limit = nil
        server = try DurableServer(model, in: folder.path, options: options)
        let found = try await server.state("late")
        // A beginning of its life, and not a wrong one.
        #expect(found.step > 1 && found.bits == model.state(after: Array(tokens.prefix(found.step))))
        server.stop()
    }

    @Test("an input of the journal that the model cannot absorb ends no server", arguments: 0..<4)
    func strangeInput(kind: Int) async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        var server = try DurableServer(model, in: folder.path)
        try await server.create("a", .sync, [1])
        try await server.create("b", .sync, [1])
        let record = try server.sessions.record("a")
        server.stop()
        let inputs: [InputSequence] = [
            .tokens([8]), .tokens([1, .max >> 33]), .vectors([1, 2, 3], count: 1), .vectors([], count: 1),
        ]
        var row: [UInt8] = []
        JournalRecord(
            serial: record.serial, previous: record.version, version: record.version + 10, time: 0,
            parts: [Absorbed(inputs[kind], .exact)]
        ).encode(into: &row)
        let file = try StoreFile(
            path: folder.path + "/sessions.sqlite", identities: Identities([:]), limit: nil, vfs: nil)
        try file.writeJournal(row: 1000, row, moved: [record.serial: record.version + 10])
        file.close()
        server = try DurableServer(model, in: folder.path)
        for _ in 0..<2 {
            await #expect(throws: InferenceError.self) { try await server.absorb("a", [1]) }
        }
        #expect(try await server.absorb("b", [1]).step == 2)
        server.stop()
    }

    @Test("as many replies come back from disk as a session keeps in memory") func replies() async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        var server = try DurableServer(model, in: folder.path)
        try await server.create("a", .sync)
        func step(_ key: Int) -> Work {
            var step = Work(model: model.id, target: .session("a"), input: .tokens([1]))
            step.idempotency = Work.Idempotency(key: "k\(key)", digest: "d") { Array("step \($0.step)".utf8) }
            return step
        }
        for key in 0...StoredReply.limit { _ = try await server.scheduler.run(step(key)) }
        server.stop()
        server = try DurableServer(model, in: folder.path)
        for key in 1...StoredReply.limit { #expect(try await server.scheduler.run(step(key)).isReplayed) }
        #expect(try await !server.scheduler.run(step(0)).isReplayed)
        server.stop()
    }
}
