import Kernels
import Synchronization
import TestSupport
import Testing

@testable import Sessions

@Suite("Clocks that are set while sessions live")
struct ClockTests {
    /// A wall clock that may be set, and one that only moves on.
    private final class Clocks: Sendable {
        private let times = Mutex((wall: 1e9, steady: 50.0))
        var wall: Double { times.withLock { $0.wall } }
        var steady: Double { times.withLock { $0.steady } }
        func pass(_ seconds: Double) { times.withLock { $0 = ($0.wall + seconds, $0.steady + seconds) } }
        func set(by seconds: Double) { times.withLock { $0.wall += seconds } }
    }

    private let matrix = Matrix(rows: 1, columns: 4)

    private func make(_ table: SessionTable, _ id: String, idle: Double = 60, total: Double = 100) throws {
        _ = try table.create(
            id: id, model: "m", from: matrix, row: 0, step: 1, policy: .init(idle: idle, total: total))
    }

    @Test("a wall clock that is set forward or back ends no session and keeps none", arguments: [3600.0, -3600, 1e8])
    func steps(step: Double) throws {
        let clocks = Clocks()
        let table = SessionTable(budget: 1 << 20, clock: { clocks.wall }, steady: { clocks.steady })
        try make(table, "idle")
        clocks.set(by: step)
        clocks.pass(59)
        #expect(try table.record("idle").step == 1)
        _ = try table.load("idle", into: matrix, row: 0, model: "m")
        clocks.pass(40)
        #expect(try table.record("idle").lastUsedAt == 1e9 + step + 59)
        clocks.set(by: -step)
        clocks.pass(0.5)
        #expect(try table.record("idle").step == 1)
        clocks.pass(0.5)
        #expect(throws: SessionError.gone(id: "idle", reason: .expired, lastStep: 1)) { try table.record("idle") }
        try make(table, "short", idle: 5)
        clocks.set(by: step)
        clocks.pass(5)
        #expect(throws: SessionError.gone(id: "short", reason: .expired, lastStep: 1)) { try table.record("short") }
    }

    @Test("a session that is held when its alarm rings is looked at again after its whole idle time")
    func held() throws {
        let clocks = Clocks()
        let table = SessionTable(budget: 1 << 20, clock: { clocks.wall }, steady: { clocks.steady })
        try make(table, "held", total: .infinity)
        let serial = try #require(table.hold("held", serial: nil))
        for _ in 0..<3 {
            clocks.pass(1000)
            // Where the alarm rings at once again, one call would look at it a hundred times.
            #expect(table.count == 1)
            #expect(table.alarmTimes == [clocks.steady + 60])
        }
        table.release("held", serial: serial)
        clocks.pass(59)
        #expect(table.count == 1)
        clocks.pass(1)
        #expect(table.count == 0)
    }

    @Test(
        "after a restart the time since the last use counts, unless the clock was set meanwhile",
        arguments: [(30.0, 26.0, false), (61, 0, false), (-5000, 56, true), (1e6, 56, true)])
    func restart(passed: Double, left: Double, isNoticed: Bool) throws {
        let (clocks, folder) = (Clocks(), TemporaryFolder())
        let notices = Mutex(0)
        func open() throws -> SessionTable {
            var options = SessionStore.Options()
            options.notice = { _ in notices.withLock { $0 += 1 } }
            let store = try SessionStore(folder: folder.path, identities: ["m": "f"], options: options, clock: { 0 })
            return try SessionTable(
                budget: 1 << 20, store: store, clock: { clocks.wall }, steady: { clocks.steady })
        }
        var table = try open()
        try make(table, "first", total: .infinity)
        clocks.pass(4)
        try make(table, "last", total: .infinity)
        stop(table)
        clocks.set(by: passed)
        table = try open()
        defer { stop(table) }
        #expect(notices.withLock { $0 } == (isNoticed ? 1 : 0))
        #expect(table.count == (left > 0 ? 2 : 0))
        guard left > 0 else { return }
        // Of the first; the last has four seconds more.
        clocks.pass(left - 1)
        #expect(table.count == 2)
        clocks.pass(1.5)
        #expect(throws: SessionError.gone(id: "first", reason: .expired, lastStep: 1)) { try table.record("first") }
        #expect(table.count == 1)
    }
}

/// Ends the store of a table, which must outlive that.
private func stop(_ table: SessionTable) { table.store!.stop() }
