import Kernels
import Recurrent
import Synchronization
import TestSupport
import Testing

@testable import Sessions

@Suite("Changes that wait for a slow disk")
struct StoreQueueTests {
    @Test("beyond their bound durable sessions are refused and have not moved; others and later ones are not")
    func bound() throws {
        let folder = TemporaryFolder()
        var options = SessionStore.Options()
        options.queueLimit = 4000
        // On a clock that stands still nothing is due that nobody waits for.
        let store = try SessionStore(folder: folder.path, identities: ["m": "f"], options: options, clock: { 0 })
        let table = try SessionTable(budget: 1 << 20, store: store, clock: { 0 })
        let matrix = Matrix(rows: 1, columns: 100)
        func create(_ id: String, _ durability: Durability) throws -> SessionRecord {
            try table.create(
                id: id, model: "m", from: matrix, row: 0, step: 1, policy: .init(durability: durability))
        }
        func move(_ session: SessionRecord) throws -> SessionRecord {
            try table.save(
                session.id, serial: session.serial, from: matrix, row: 0, step: 2,
                absorbed: [Absorbed(.tokens([1]), .exact)])
        }
        let (durable, free) = (try create("durable", .async), try create("free", .none))
        var made = 1
        while made < 100, (try? create("s\(made)", .async)) != nil { made += 1 }
        let behind = SessionError.store(.behind(limit: 4000))
        #expect(store.queuedBytes > 4000 && store.queuedBytes < 5000)
        #expect(throws: behind) { try create("more", .sync) }
        #expect(throws: SessionError.unknown(id: "more")) { try table.record("more") }
        #expect(throws: behind) { try move(durable) }
        #expect(throws: behind) { try table.fork("durable", serial: durable.serial, into: ["fork"]) }
        #expect(throws: behind) { try table.checkpoint("durable", serial: durable.serial, name: "c") }
        #expect(try table.record("durable").step == 1)
        #expect(try move(free).step == 2)
        store.stop()
        #expect(store.queuedBytes == 0)
        withExtendedLifetime(table) {}
    }

    @Test(
        "a move that somebody waits for is written at once, though one before it could wait", .timeLimit(.minutes(10)))
    func urgency() async throws {
        final class Looks: Sendable { let count = Atomic<Int>(0) }
        let (folder, looks) = (TemporaryFolder(), Looks())
        var options = SessionStore.Options()
        options.flushInterval = .seconds(3600)
        // On a clock that is far ahead of the machine's nothing comes due.
        let store = try SessionStore(folder: folder.path, identities: ["m": "f"], options: options) {
            looks.count.add(1, ordering: .relaxed)
            return 1 << 60
        }
        let table = try SessionTable(budget: 1 << 20, store: store, clock: { 0 })
        let matrix = Matrix(rows: 1, columns: 4)
        for durability in [Durability.async, .sync] {
            // The second look at the clock is that of the store's thread before it goes to sleep.
            while durability == .sync, looks.count.load(ordering: .relaxed) < 2 { await Task.yield() }
            let session = try table.create(
                id: durability.rawValue, model: "m", from: matrix, row: 0, step: 0,
                policy: .init(durability: durability))
            try await store.durable(session.commit)
        }
        store.stop()
        withExtendedLifetime(table) {}
    }
}
