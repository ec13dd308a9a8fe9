import Kernels
import Synchronization
import TestSupport
import Testing

@testable import Sessions

@Suite("Names in the memory for sessions")
struct NamesTests {
    private final class Notices: Sendable {
        private let texts = Mutex<[String]>([])
        var all: [String] { texts.withLock { $0 } }
        func add(_ text: String) { texts.withLock { $0.append(text) } }
    }

    private func open(
        _ folder: TemporaryFolder, budget: Int, _ notices: Notices = Notices()
    ) throws -> SessionTable {
        var options = SessionStore.Options()
        options.notice = { notices.add($0) }
        let store = try SessionStore(folder: folder.path, identities: ["m": "f"], options: options, clock: { 0 })
        return try SessionTable(budget: budget, store: store, clock: { 0 })
    }

    @discardableResult
    private func create(
        _ table: SessionTable, _ id: String, bytes: Int, replacing: Bool = false
    ) throws(SessionError) -> SessionRecord {
        try table.create(
            id: id, model: "m", from: Matrix(rows: 1, columns: bytes / 4), row: 0, step: 0,
            policy: .init(durability: .async), replacing: replacing)
    }

    @Test("those that the database has beyond the bound are taken in with one notice, and end as any others")
    func adopted() throws {
        let (folder, notices, budget) = (TemporaryFolder(), Notices(), 16 << 10)
        var table = try open(folder, budget: 1 << 20)
        defer { table.store!.stop() }
        for index in 0..<60 { try create(table, "s\(index)", bytes: 400) }
        table.store!.stop()

        table = try open(folder, budget: budget, notices)
        // Room for two states, a checkpoint and a small reply.
        let room = budget - 2 * 400 - 128 - 2048
        try #require(notices.all.count == 1)
        for number in [60, 60 * 256, budget, room] { #expect(notices.all[0].contains(" \(number) "), "\(notices.all)") }
        for left in stride(from: 60, to: 51, by: -1) {
            let refusal = SessionError.namesFull(sessions: left, room: room, budget: budget)
            #expect(throws: refusal) { try create(table, "new", bytes: 400) }
            #expect(throws: SessionError.unknown(id: "new")) { try table.record("new") }
            try table.delete("s\(left - 1)")
        }
        try create(table, "new", bytes: 400)
        #expect(throws: SessionError.namesFull(sessions: 52, room: room, budget: budget)) {
            try table.fork("new", serial: try table.record("new").serial, into: ["fork"])
        }
        table.store!.stop()

        // As many as may be made are no cause for a notice.
        let later = Notices()
        table = try open(folder, budget: budget, later)
        #expect(table.count == 52 && later.all.isEmpty, "\(later.all)")
    }

    @Test("a newcomer that could not be used beside them is refused, also in the place of another")
    func larger() throws {
        let (folder, budget) = (TemporaryFolder(), 16 << 10)
        var table = try open(folder, budget: budget)
        defer { table.store!.stop() }
        for index in 0..<40 { try create(table, "s\(index)", bytes: 16) }
        // So that all of them are on disk.
        table.store!.stop()
        table = try open(folder, budget: budget)
        let refusal = SessionError.namesFull(sessions: 40, room: budget / 2, budget: budget)
        #expect(throws: refusal) { try create(table, "large", bytes: 8000) }
        #expect(throws: refusal) { try create(table, "s1", bytes: 8000, replacing: true) }
        let before = try table.record("s1").serial
        #expect(try create(table, "s1", bytes: 16, replacing: true).serial > before)
        // Half of the memory is for names, unless the state needs more.
        for index in 31..<40 { try table.delete("s\(index)") }
        try create(table, "large", bytes: 8000)
        #expect(throws: SessionError.namesFull(sessions: 32, room: budget / 2, budget: budget)) {
            try create(table, "more", bytes: 16)
        }
        try table.delete("large")
        try create(table, "more", bytes: 16)
    }

    @Test("a memory that has room for one session takes one", arguments: [16, 100, 256, 400, 8000])
    func one(bytes: Int) throws {
        let folder = TemporaryFolder()
        let budget = bytes + SessionTable.overheadBytes
        let table = try open(folder, budget: budget)
        defer { table.store!.stop() }
        try create(table, "a", bytes: bytes)
        // A state of which nothing would fit beside it is nobody's.
        #expect(throws: SessionError.storeFull(needed: budget + 4, budget: budget)) {
            try create(table, "b", bytes: bytes + 4)
        }
        try table.delete("a")
        try create(table, "c", bytes: bytes)
    }
}
