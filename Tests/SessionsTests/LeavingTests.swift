import Kernels
import TestSupport
import Testing
import Threading

@testable import Sessions

@Suite("Sessions on their way to the disk")
struct LeavingTests {
    @Test("one whose checkpoints change while it is written does not leave the memory with the old ones")
    func checkpoints() throws {
        let folder = TemporaryFolder()
        let store = try SessionStore(folder: folder.path, identities: ["m": "f"], clock: { 0 })
        let table = try SessionTable(budget: 1 << 20, store: store, clock: { 0 })
        defer { store.stop() }
        let matrix = Matrix(rows: 1, columns: 4)
        let session = try table.create(id: "a", model: "m", from: matrix, row: 0, step: 1)
        /// What the store's thread does, with something between the copy and the end.
        func leave(_ between: () throws -> Void) throws -> Bool {
            let copy = try #require(table.coldest(10, of: .idle, upTo: .max).dirty.first)
            try between()
            table.noteStored("a", session.serial, version: copy.record.version)
            table.leaveMemory(copy.record, if: .idle, upTo: .max)
            return try !table.record("a").isInMemory
        }
        #expect(try !leave { _ = try table.checkpoint("a", serial: session.serial, name: "c") })
        #expect(try table.checkpoints("a", serial: session.serial).map(\.name) == ["c"])
        #expect(try !leave { _ = try table.deleteCheckpoint("a", serial: session.serial, name: "c") })
        #expect(try table.checkpoints("a", serial: session.serial).isEmpty)
        #expect(try leave {})
    }

    @Test("one that is deleted while it is written is known to have ended") func deletedWhileWritten() throws {
        let folder = TemporaryFolder()
        let store = try SessionStore(folder: folder.path, identities: ["m": "f"], clock: { 0 })
        let table = try SessionTable(budget: 1 << 20, store: store, clock: { 0 })
        defer { store.stop() }
        let matrix = Matrix(rows: 1, columns: 4)
        for id in ["a", "b"] { _ = try table.create(id: id, model: "m", from: matrix, row: 0, step: 1) }
        let copies = table.coldest(10, of: .idle, upTo: .max).dirty.map(\.record)
        #expect(try table.delete("a") == 0, "the store does not know it")
        #expect(copies.map { table.noteStored($0.id, $0.serial, version: $0.version) } == [false, true])
        #expect(try table.delete("b") > 0)
    }

    @Test("a checkpoint that is deleted after it was written, of a session that could not leave, does not come back")
    func deletedCheckpoint() throws {
        let folder = TemporaryFolder()
        var store = try SessionStore(folder: folder.path, identities: ["m": "f"], clock: { 0 })
        var table = try SessionTable(budget: 1 << 20, store: store, clock: { 0 })
        let matrix = Matrix(rows: 1, columns: 4)
        let session = try table.create(id: "a", model: "m", from: matrix, row: 0, step: 1)
        for name in ["gone", "kept"] { _ = try table.checkpoint("a", serial: session.serial, name: name) }
        // What the store's thread does, which has nothing to do yet.
        try store.file.write(try #require(table.coldest(10, of: .idle, upTo: .max).dirty.first), isOut: true)
        _ = try table.deleteCheckpoint("a", serial: session.serial, name: "gone")
        store.stop()
        store = try SessionStore(folder: folder.path, identities: ["m": "f"], clock: { 0 })
        table = try SessionTable(budget: 1 << 20, store: store, clock: { 0 })
        #expect(try store.file.checkpoints(of: table.record("a")).names.map(\.name) == ["kept"])
        store.stop()
    }

    @Test("one that keeps the reply to a fork while it is written does not leave the memory without it")
    func forkedWhileWritten() throws {
        let folder = TemporaryFolder()
        let store = try SessionStore(folder: folder.path, identities: ["m": "f"], clock: { 0 })
        let table = try SessionTable(budget: 1 << 20, store: store, clock: { 0 })
        defer { store.stop() }
        let matrix = Matrix(rows: 1, columns: 4)
        let session = try table.create(id: "a", model: "m", from: matrix, row: 0, step: 1)
        let copy = try #require(table.coldest(10, of: .idle, upTo: .max).dirty.first)
        let reply = StoredReply(key: "k", digest: "d", body: [1])
        _ = try table.fork("a", serial: session.serial, into: ["b"], reply: reply)
        table.noteStored("a", session.serial, version: copy.record.version)
        #expect(!table.leaveMemory(copy.record, if: .idle, upTo: .max))
        #expect(try table.reply("a", serial: session.serial, key: "k") == reply)
    }

    @Test("one of which the store has missed a change is written whole before it leaves") func missed() throws {
        let folder = TemporaryFolder()
        let store = try SessionStore(folder: folder.path, identities: ["m": "f"], clock: { 0 })
        let table = try SessionTable(budget: 1 << 20, store: store, clock: { 0 })
        defer { store.stop() }
        let policy = SessionPolicy(durability: .async)
        let matrix = Matrix(rows: 1, columns: 4)
        let record = try table.create(id: "a", model: "m", from: matrix, row: 0, step: 1, policy: policy)
        table.noteStored("a", record.serial, version: record.version)
        #expect(table.coldest(10, of: .idle, upTo: .max).clean.map(\.id) == ["a"])
        // A change that is still to be written must not be left behind.
        let made = try table.checkpoint("a", serial: record.serial, name: "c").session
        #expect(!table.leaveMemory(made, if: .idle, upTo: record.commit))
        #expect(table.coldest(10, of: .idle, upTo: 0).clean.isEmpty)
        table.noteStored("a", record.serial, version: 0)
        #expect(table.coldest(10, of: .idle, upTo: .max).dirty.map(\.record.id) == ["a"])
    }

    @Test("one that is deleted while its siblings are being made does not come back") func deletedWhileForked() throws {
        let folder = TemporaryFolder()
        let policy = SessionPolicy(durability: .sync)
        var store = try SessionStore(folder: folder.path, identities: ["m": "f"], clock: { 0 })
        var table = try SessionTable(budget: 64 << 20, store: store, clock: { 0 })
        let matrix = Matrix(rows: 1, columns: 4)
        let parent = try table.create(id: "parent", model: "m", from: matrix, row: 0, step: 1, policy: policy)
        for round in 0..<20 {
            let ids = (0..<1000).map { "\(round)-\($0)" }
            // It may be there as soon as the first call, and is as soon as the fork is done.
            let deleting = Thread { [table] in while (try? table.delete(ids[0])) == nil {} }
            _ = try table.fork("parent", serial: parent.serial, into: ids)
            deleting.join()
        }
        store.stop()
        store = try SessionStore(folder: folder.path, identities: ["m": "f"], clock: { 0 })
        table = try SessionTable(budget: 64 << 20, store: store, clock: { 0 })
        #expect(table.count == 1 + 20 * 999)
        for round in 0..<20 {
            #expect(throws: SessionError.unknown(id: "\(round)-0")) { try table.record("\(round)-0") }
        }
        store.stop()
    }
}
