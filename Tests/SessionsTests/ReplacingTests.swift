import Kernels
import TestSupport
import Testing

@testable import Sessions

@Suite("Sessions that take the place of others")
struct ReplacingTests {
    private let matrix = Matrix(rows: 1, columns: 4)
    private let id = SessionID.scoped("a", owner: "k")
    /// What one session of four values takes.
    private let quota = SessionQuota(sessions: 1, bytes: 16)

    private func create(
        _ table: SessionTable, _ model: String = "m", columns: Int = 4, replacing: Bool
    ) throws(SessionError) -> SessionRecord {
        try table.create(
            id: id, model: model, from: Matrix(rows: 1, columns: columns), row: 0, step: 7, owner: "k", quota: quota,
            replacing: replacing)
    }

    @Test("the old one ends with all that it had, and counts no more") func replaces() throws {
        let table = SessionTable(budget: 1 << 20, clock: { 0 })
        let first = try create(table, replacing: true)
        _ = try table.checkpoint(id, serial: first.serial, name: "c")
        #expect(throws: SessionError.exists(id: id)) { try create(table, replacing: false) }
        let second = try create(table, "n", replacing: true)
        #expect(second.serial != first.serial && second.model == "n" && table.count == 1)
        #expect(throws: (any Error).self) { try table.check(id, serial: first.serial) }
        #expect(try table.checkpoints(id, serial: second.serial).isEmpty)
    }

    @Test("one for which there is no room replaces nothing") func noRoom() throws {
        let table = SessionTable(budget: 1 << 10, clock: { 0 })
        let old = try create(table, replacing: false)
        #expect(throws: SessionError.quotaFull(quota)) { try create(table, columns: 8, replacing: true) }
        try table.check(id, serial: old.serial)
        let large = Matrix(rows: 1, columns: 1000)
        #expect(throws: SessionError.storeFull(needed: 4000 + SessionTable.overheadBytes, budget: 1 << 10)) {
            try table.create(id: id, model: "m", from: large, row: 0, step: 0, owner: "k", replacing: true)
        }
        try table.check(id, serial: old.serial)
    }
}
