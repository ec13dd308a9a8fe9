import Kernels
import TestSupport
import Testing

@testable import Sessions

@Suite("Sessions on their way to the disk")
struct LeavingTests {
    @Test("one whose checkpoints change while it is written does not leave the memory with the old ones")
    func checkpoints() throws {
        let folder = TemporaryFolder()
        let store = try SessionStore(folder: folder.path, fingerprints: ["m": "f"], clock: { 0 })
        let table = try SessionTable(budget: 1 << 20, store: store, clock: { 0 })
        defer { store.stop() }
        let matrix = Matrix(rows: 1, columns: 4)
        let session = try table.create(id: "a", model: "m", from: matrix, row: 0, step: 1)
        /// What the store's thread does, with something between the copy and the end.
        func leave(_ between: () throws -> Void) throws -> Bool {
            let copy = try #require(table.coldest(10, of: .idle, upTo: .max).dirty.first)
            try between()
            table.noteStored("a", session.serial, version: copy.record.version)
            table.leaveMemory(copy.record, if: .idle)
            return try !table.record("a").isInMemory
        }
        #expect(try !leave { _ = try table.checkpoint("a", serial: session.serial, name: "c") })
        #expect(try table.checkpoints("a", serial: session.serial).map(\.name) == ["c"])
        #expect(try !leave { _ = try table.deleteCheckpoint("a", serial: session.serial, name: "c") })
        #expect(try table.checkpoints("a", serial: session.serial).isEmpty)
        #expect(try leave {})
    }
}
