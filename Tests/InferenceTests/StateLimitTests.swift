import Foundation
import Recurrent
import TestSupport
import Testing

@testable import Inference
@testable import Sessions

@Suite("The room of the database and its log")
struct StateLimitTests {
    private func size(_ folder: TemporaryFolder, _ suffix: String) -> Int {
        FileMark(folder.path + "/sessions.sqlite" + suffix)?.bytes ?? 0
    }

    @Test("both together keep to their limit after every move, however many there are", arguments: [1 << 20, 3 << 20])
    func limit(limit: Int) async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        var options = SessionStore.Options()
        (options.limit, options.journalLimit) = (limit, limit / 16)
        var server = try DurableServer(model, in: folder.path, options: options)
        let count = 100
        var most = 0
        func look() { most = max(most, size(folder, "") + size(folder, "-wal")) }
        for index in 0..<count {
            try await server.create("s\(index)", .sync, [index % 8])
            look()
        }
        for turn in 0..<1500 {
            let index = turn * 7 % count
            #expect(try await server.absorb("s\(index)", [turn % 8]).step == 2 + turn / count)
            look()
        }
        #expect(most <= limit, "\(most) bytes")
        #expect(most > limit / 8)
        server.stop()
        server = try DurableServer(model, in: folder.path, options: options)
        #expect(size(folder, "-wal") == 0)
        for index in 0..<count { #expect(try server.sessions.record("s\(index)").step == 16) }
        server.stop()
    }

    @Test("what another process has left in the log is in the database after a start, and the log is cut")
    func start() async throws {
        let (model, folder, supply) = (try smallModel(), TemporaryFolder(), PowerSupply("left-in-the-log"))
        var server = try DurableServer(model, in: folder.path, options: supply.options)
        try await server.create("a", .sync, [1])
        for turn in 0..<50 { try await server.absorb("a", [turn % 8]) }
        supply.cut()
        server.stop()
        #expect(supply.restore(seed: 1) >= 0)
        #expect(size(folder, "-wal") > 50 * 4096)
        server = try DurableServer(model, in: folder.path)
        #expect(size(folder, "-wal") == 0)
        #expect(try await server.absorb("a", [1]).step == 52)
        server.stop()
    }

    @Test("a transaction for which the disk has no room beside the log finds it in the log")
    func room() throws {
        let (folder, supply) = (TemporaryFolder(), PowerSupply("room"))
        let file = try StoreFile(
            path: folder.path + "/sessions.sqlite", identities: Identities([:]), limit: nil, vfs: supply.name)
        supply.bound(to: supply.used + 100_000)
        for shift in 1...500 {
            let clock = StoredClock(shift: shift, boot: "", offset: 0)
            try file.transaction { () throws(StoreError) in try file.write(clock) }
        }
        #expect((10...100).contains(file.logCopies), "\(file.logCopies)")
        #expect(try file.clock()?.shift == 500)
        file.close()
    }

    @Test("a disk that stays full is not asked to copy the log for each move that it refuses")
    func full() async throws {
        let (model, folder, supply) = (try smallModel(), TemporaryFolder(), PowerSupply("full"))
        let server = try DurableServer(model, in: folder.path, options: supply.options)
        try await server.create("a", .sync, [1])
        for turn in 0..<20 { try await server.absorb("a", [turn % 8]) }
        supply.bound(to: 0)
        let before = server.store.file.logCopies
        for _ in 0..<60 {
            await #expect(throws: InferenceError.session(.store(.full))) { try await server.absorb("a", [1, 2, 3]) }
        }
        let tries = server.store.file.logCopies - before
        #expect((1...4).contains(tries), "\(tries)")
        #expect(try server.sessions.record("a").step == 21)
        supply.bound(to: nil)
        #expect(try await server.absorb("a", [1]).step == 22)
        server.stop()
    }

    @Test("a log that the server has cut itself takes no more moves when another has cut it", arguments: ["-wal", ""])
    func foreign(suffix: String) async throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        var options = SessionStore.Options()
        options.limit = 400_000
        let server = try DurableServer(model, in: folder.path, options: options)
        try await server.create("a", .sync)
        for step in 1...200 { #expect(try await server.absorb("a", [step % 8]).step == step) }
        #expect(server.store.file.logCopies > 3)
        let path = folder.path + "/sessions.sqlite" + suffix
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.truncate(atOffset: try handle.seekToEnd() - 1)
        try handle.close()
        let expected = StoreError.failed(
            what: "\(path) was removed, replaced or cut short while the server was using it")
        await #expect(throws: InferenceError.session(.store(expected))) { try await server.absorb("a", [1]) }
        #expect(try server.sessions.record("a").step == 200)
        server.stop()
    }
}
