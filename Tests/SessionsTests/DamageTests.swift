import Foundation
import Kernels
import Recurrent
import Synchronization
import TestSupport
import Testing

@testable import Sessions

@Suite("A database that the disk has changed")
struct DamageTests {
    private final class Notices: Sendable {
        private let texts = Mutex<[String]>([])
        var all: [String] { texts.withLock { $0 } }
        func add(_ text: String) { texts.withLock { $0.append(text) } }
    }

    private func open(
        _ folder: TemporaryFolder, _ notices: Notices = Notices(), clock: Double = 1000
    ) throws -> SessionTable {
        var options = SessionStore.Options()
        options.notice = { notices.add($0) }
        let store = try SessionStore(folder: folder.path, identities: ["m": "f"], options: options, clock: { 0 })
        return try SessionTable(budget: 1 << 20, store: store, clock: { clock })
    }

    /// A folder with the sessions a, b and c.
    private func folder() throws -> TemporaryFolder {
        let folder = TemporaryFolder()
        let table = try open(folder)
        let matrix = Matrix(rows: 1, columns: 4)
        for (step, id) in ["a", "b", "c"].enumerated() {
            _ = try table.create(
                id: id, model: "m", from: matrix, row: 0, step: step, policy: .init(idle: 1e6, durability: .async))
        }
        stop(table)
        return folder
    }

    private func change(_ folder: TemporaryFolder, _ sql: String) throws {
        let database = try Database(path: folder.path + "/sessions.sqlite")
        try database.execute(sql)
        database.close()
    }

    @Test(
        "a damaged row of a session is reported, ends that session alone, and takes nothing from a new one",
        arguments: [
            "version = -1", "version = 9223372036854775807", "step = -5", "step = 9007199254740992", "step = 7",
            "used = 9e999", "used = -9e999", "used = 1e300", "created = 1e300", "created = -9e999", "created = 5",
            "idle = 5", "idle = -1", "total = 0", "recent = 5", "recent = -1", "recent = 100000",
            "durability = 'sync'", "durability = 'never'", "state_bytes = 17", "state_bytes = -1",
            "state_bytes = 9223372036854775807", "out = 1", "out = 2", "model = 'other'", "identity = 'g'",
            "serial = 9223372036854775807", "serial = -3", "serial = 9007199254740993", "serial = 40",
            "digest = x'00'",
        ])
    func row(damage: String) throws {
        let folder = try folder()
        try change(folder, "UPDATE sessions SET \(damage) WHERE id = 'b'")
        let notices = Notices()
        let table = try open(folder, notices)
        defer { stop(table) }
        #expect(notices.all.count == 1 && notices.all[0].contains("\"b\""), "\(notices.all)")
        #expect(throws: SessionError.gone(id: "b", reason: .damaged, lastStep: 0)) { try table.record("b") }
        #expect(try table.list(limit: 9, after: nil).records.map(\.id) == ["a", "c"])
        let matrix = Matrix(rows: 1, columns: 4)
        let made = try table.create(id: "b", model: "m", from: matrix, row: 0, step: 9)
        #expect(made.serial > 3 && made.serial < 100)
        #expect(try table.record("b").step == 9)
    }

    @Test("many damaged rows are reported in a few lines") func many() throws {
        let folder = TemporaryFolder()
        var table = try open(folder)
        let matrix = Matrix(rows: 1, columns: 4)
        for index in 0..<50 { _ = try table.create(id: "s\(index)", model: "m", from: matrix, row: 0, step: 1) }
        stop(table)
        try change(folder, "UPDATE sessions SET used = 9e999 WHERE serial <= 30")
        let notices = Notices()
        table = try open(folder, notices)
        #expect(table.count == 20 && notices.all.count == 11)
        stop(table)
    }

    /// A folder with the sessions a and b, of which each was moved to step 1 and a then to step 2: a row of the journal
    /// each. The session c is not journaled.
    private func journaled() async throws -> TemporaryFolder {
        let folder = TemporaryFolder()
        let table = try open(folder)
        // Wide enough that a move takes less than the state.
        let matrix = Matrix(rows: 1, columns: 64)
        for (id, durability) in [("a", Durability.sync), ("b", .sync), ("c", .none)] {
            _ = try table.create(
                id: id, model: "m", from: matrix, row: 0, step: 0, policy: .init(durability: durability))
        }
        for id in ["a", "b", "a"] {
            let record = try table.record(id)
            let moved = try table.save(
                id, serial: record.serial, from: matrix, row: 0, step: record.step + 1,
                absorbed: [Absorbed(.tokens([1]), .exact)])
            try await table.store!.durable(moved.commit)
        }
        stop(table)
        return folder
    }

    @Test(
        "a damaged row of the journal ends the sessions that it moved, and no others",
        arguments: [
            ("UPDATE journal SET records = x'80' WHERE row = 2", "b", 0),
            ("UPDATE journal SET digest = x'01' WHERE row = 2", "b", 0),
            ("UPDATE journal SET row = 9223372036854775807 WHERE row = 2", "b", 0),
            ("UPDATE journal SET row = -7 WHERE row = 2", "b", 0),
            ("UPDATE journal SET row = 9 WHERE row = 2", "b", 0),
            ("UPDATE journal SET records = x'80' WHERE row = 1", "a", 0),
            ("UPDATE journal SET records = x'80' WHERE row = 3", "a", 1),
            ("DELETE FROM journal WHERE row = 1", "a", 0),
        ])
    func journal(damage: String, gone: String, lastStep: Int) async throws {
        let folder = try await journaled()
        try change(folder, damage)
        let others = ["a", "b", "c"].filter { $0 != gone }
        for start in 1...3 {
            let notices = Notices()
            let table = try open(folder, notices)
            #expect(try table.list(limit: 9, after: nil).records.map(\.id) == others)
            #expect(throws: SessionError.gone(id: gone, reason: .damaged, lastStep: start == 1 ? lastStep : 0)) {
                try table.record(gone)
            }
            #expect(try table.record(others[0]).step == (others[0] == "a" ? 2 : 1))
            #expect(notices.all.filter { $0.contains("session \"\(gone)\"") }.count == 1, "\(notices.all)")
            #expect(notices.all.count <= 2, "\(notices.all)")
            stop(table)
        }
        // Who makes it anew has nothing of it.
        let table = try open(folder)
        let matrix = Matrix(rows: 1, columns: 64)
        _ = try table.create(
            id: gone, model: "m", from: matrix, row: 0, step: 5, policy: .init(durability: .async))
        stop(table)
        let again = try open(folder)
        #expect(again.count == 3)
        #expect(try again.record(gone).step == 5)
        stop(again)
    }

    @Test("where it is not known whose moves a damaged row had, all that it can have moved are gone")
    func journalOfNobody() async throws {
        let folder = try await journaled()
        try change(folder, "UPDATE journal SET records = x'80', moved = x'00' WHERE row = 2")
        for start in 1...2 {
            let notices = Notices()
            let table = try open(folder, notices)
            #expect(try table.list(limit: 9, after: nil).records.map(\.id) == ["c"])
            #expect(notices.all.count == (start == 1 ? 3 : 2), "\(notices.all)")
            stop(table)
        }
        let table = try open(folder)
        let matrix = Matrix(rows: 1, columns: 64)
        _ = try table.create(id: "d", model: "m", from: matrix, row: 0, step: 5, policy: .init(durability: .async))
        stop(table)
        let again = try open(folder)
        #expect(try again.record("d").step == 5)
        stop(again)
    }

    @Test("a database that is removed while it is in use takes no more moves", arguments: [false, true])
    func removed(replaced: Bool) async throws {
        let folder = TemporaryFolder()
        let table = try open(folder)
        let matrix = Matrix(rows: 1, columns: 4)
        let policy = SessionPolicy(durability: .sync)
        let first = try table.create(id: "a", model: "m", from: matrix, row: 0, step: 0, policy: policy)
        try await table.store!.durable(first.commit)
        let path = folder.path + "/sessions.sqlite"
        try FileManager.default.removeItem(atPath: path)
        if replaced { try Data().write(to: URL(fileURLWithPath: path)) }
        let second = try table.create(id: "b", model: "m", from: matrix, row: 0, step: 0, policy: policy)
        await #expect(
            throws: StoreError.failed(
                what: "\(path) was removed, replaced or cut short while the server was using it")
        ) { try await table.store!.durable(second.commit) }
        #expect(throws: SessionError.unknown(id: "b")) { try table.record("b") }
        stop(table)
    }

    @Test("a new session does not take the place of a damaged one, though numbers before it are free")
    func numbers() throws {
        let folder = try folder()
        let whole = try open(folder)
        try whole.delete("b")
        stop(whole)
        try change(folder, "UPDATE sessions SET step = -5 WHERE id = 'c'")
        for id in ["d", "e"] {
            let notices = Notices()
            let table = try open(folder, notices)
            #expect(notices.all.count == 1 && notices.all.allSatisfy { $0.contains("\"c\"") })
            _ = try table.create(
                id: id, model: "m", from: Matrix(rows: 1, columns: 4), row: 0, step: 0,
                policy: .init(durability: .async))
            stop(table)
        }
    }

    private enum Loss: CaseIterable { case removed, replaced, cut, emptied }

    @Test(
        "a log of the database that is removed, replaced or cut short takes no more moves",
        arguments: Loss.allCases, ["-wal", ""])
    private func log(loss: Loss, suffix: String) async throws {
        let folder = TemporaryFolder()
        let table = try open(folder)
        let matrix = Matrix(rows: 1, columns: 4)
        let policy = SessionPolicy(durability: .sync)
        let first = try table.create(id: "a", model: "m", from: matrix, row: 0, step: 0, policy: policy)
        try await table.store!.durable(first.commit)
        let path = folder.path + "/sessions.sqlite" + suffix
        switch loss {
        case .removed: try FileManager.default.removeItem(atPath: path)
        case .replaced:
            let copy = try Data(contentsOf: URL(fileURLWithPath: path))
            try FileManager.default.removeItem(atPath: path)
            try (copy + copy).write(to: URL(fileURLWithPath: path))
        case .cut, .emptied:
            let handle = try #require(FileHandle(forWritingAtPath: path))
            let bytes = try handle.seekToEnd()
            try handle.truncate(atOffset: loss == .cut ? bytes - 1 : 0)
            try handle.close()
        }
        let expected = StoreError.failed(
            what: "\(path) was removed, replaced or cut short while the server was using it")
        let moved = try table.save("a", serial: first.serial, from: matrix, row: 0, step: 1)
        await #expect(throws: expected) { try await table.store!.durable(moved.commit) }
        #expect(try table.record("a").step == 0)
        for id in ["b", "c"] {
            let made = try table.create(id: id, model: "m", from: matrix, row: 0, step: 0, policy: policy)
            await #expect(throws: expected) { try await table.store!.durable(made.commit) }
        }
        stop(table)
    }
}

/// Ends the store of a table, which must outlive that.
private func stop(_ table: SessionTable) { table.store!.stop() }
