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
        func restart() { times.withLock { $0.steady = 3 } }
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

    /// What the processes of one machine have in common.
    private struct Machine {
        let clocks = Clocks()
        let folder = TemporaryFolder()
        let notices = Notices()
        var boot = "first"

        final class Notices: Sendable {
            private let texts = Mutex<[String]>([])
            func add(_ text: String) { texts.withLock { $0.append(text) } }
            func take() -> [String] {
                texts.withLock { texts in
                    defer { texts.removeAll() }
                    return texts
                }
            }
        }

        func open() throws -> SessionTable {
            var options = SessionStore.Options()
            options.boot = boot
            options.notice = { [notices] in notices.add($0) }
            let store = try SessionStore(folder: folder.path, identities: ["m": "f"], options: options, clock: { 0 })
            return try SessionTable(
                budget: 1 << 20, store: store, clock: { [clocks] in clocks.wall }, steady: { [clocks] in clocks.steady }
            )
        }

        /// The machine is started anew.
        mutating func boot(_ name: String) {
            boot = name
            clocks.restart()
        }
    }

    /// Makes a session that the disk has when this returns.
    private func makeDurable(_ table: SessionTable, _ id: String) async throws {
        let policy = SessionPolicy(idle: 60, durability: .sync)
        let made = try table.create(id: id, model: "m", from: matrix, row: 0, step: 1, policy: policy)
        try await table.store!.durable(made.commit)
    }

    @Test(
        "a clock that is set while sessions are kept ends none at the next start, and the log says so",
        arguments: [7200.0, -7200, 1.7e9, 3e7], [true, false])
    func setWhileAlive(jump: Double, isNewBoot: Bool) async throws {
        var machine = Machine()
        var table = try machine.open()
        try await makeDurable(table, "before")
        machine.clocks.pass(1)
        machine.clocks.set(by: jump)
        try await makeDurable(table, "after")
        let told = machine.notices.take()
        #expect(told.count == 1 && told[0].contains(jump > 0 ? "ahead" : "back"), "\(told)")
        // A whole state and a move that were written after the jump are on the same clock as what was written before.
        for step in 2...3 {
            let record = try table.record("before")
            _ = try table.save("before", serial: record.serial, from: matrix, row: 0, step: step)
        }
        machine.clocks.pass(10)
        for round in 1...3 {
            stop(table)
            if isNewBoot { machine.boot("boot \(round)") }
            machine.clocks.pass(5)
            table = try machine.open()
            #expect(table.count == 2)
            let now = machine.clocks.wall
            for id in ["before", "after"] {
                #expect(try abs(now - table.record(id).lastUsedAt - Double(10 + 5 * round)) < 1)
            }
        }
        #expect(machine.notices.take() == [])
        machine.clocks.pass(34)
        #expect(table.count == 2)
        machine.clocks.pass(2)
        #expect(table.count == 0)
        stop(table)
    }

    @Test("a clock that is set ahead and back again while sessions are kept leaves all as it was") func aheadAndBack()
        async throws
    {
        var machine = Machine()
        var table = try machine.open()
        try await makeDurable(table, "a")
        machine.clocks.set(by: 31_536_000)
        try await makeDurable(table, "b")
        machine.clocks.set(by: -31_536_000)
        try await makeDurable(table, "c")
        #expect(machine.notices.take().count == 2)
        stop(table)
        machine.boot("second")
        machine.clocks.pass(30)
        table = try machine.open()
        #expect(table.count == 3 && machine.notices.take() == [])
        machine.clocks.pass(31)
        #expect(table.count == 0)
        stop(table)
    }

    @Test(
        "what the steady clock of the same start of the machine says counts, whatever the wall clock was set to",
        arguments: [82_800.0, -82_800, 1e8, -1e8])
    func sameBoot(jump: Double) async throws {
        let machine = Machine()
        var table = try machine.open()
        try await makeDurable(table, "a")
        stop(table)
        machine.clocks.set(by: jump)
        machine.clocks.pass(20)
        table = try machine.open()
        #expect(table.count == 1)
        #expect(machine.notices.take().count == 1)
        machine.clocks.pass(39)
        #expect(table.count == 1)
        machine.clocks.pass(2)
        #expect(table.count == 0)
        stop(table)
    }

    @Test("two days without a server count where the machine ran on, and not where the clock alone says so")
    func longRest() async throws {
        for isNewBoot in [false, true] {
            var machine = Machine()
            var table = try machine.open()
            try await makeDurable(table, "a")
            stop(table)
            if isNewBoot { machine.boot("second") }
            machine.clocks.pass(2 * 86_400)
            table = try machine.open()
            #expect(table.count == (isNewBoot ? 1 : 0))
            stop(table)
        }
    }

    @Test("times of sessions come back as they were where no clock was set") func exact() async throws {
        let machine = Machine()
        var table = try machine.open()
        machine.clocks.pass(0.123_456_7)
        try await makeDurable(table, "a")
        let before = try table.record("a")
        stop(table)
        machine.clocks.pass(3.3)
        table = try machine.open()
        let after = try table.record("a")
        #expect(after.createdAt == before.createdAt && after.lastUsedAt == before.lastUsedAt)
        stop(table)
    }

    @Test("a damaged row of the clock gives sessions their idle times anew, and the log says so") func damaged()
        async throws
    {
        var machine = Machine()
        var table = try machine.open()
        try await makeDurable(table, "a")
        stop(table)
        let database = try Database(path: machine.folder.path + "/sessions.sqlite")
        try database.execute("UPDATE clock SET shift = 5000")
        database.close()
        machine.boot("second")
        table = try machine.open()
        #expect(table.count == 1 && machine.notices.take().count == 1)
        stop(table)
    }

    @Test("a database of the format before is taken over") func formatBefore() async throws {
        var machine = Machine()
        var table = try machine.open()
        try await makeDurable(table, "a")
        stop(table)
        let database = try Database(path: machine.folder.path + "/sessions.sqlite")
        try database.execute(
            """
            DROP TABLE clock; ALTER TABLE journal DROP COLUMN moved; ALTER TABLE journal DROP COLUMN moved_digest;
            PRAGMA user_version = 2;
            """)
        database.close()
        machine.boot("second")
        for _ in 0..<2 {
            table = try machine.open()
            #expect(try table.record("a").step == 1)
            stop(table)
        }
        #expect(machine.notices.take() == [])
    }
}

/// Ends the store of a table, which must outlive that.
private func stop(_ table: SessionTable) { table.store!.stop() }
