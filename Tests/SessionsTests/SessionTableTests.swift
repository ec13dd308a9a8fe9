import Kernels
import Recurrent
import TestSupport
import Testing
import Threading

@testable import Sessions

@Suite("The session table")
struct SessionTableTests {
    private func row(_ value: Float, columns: Int = 4) -> Matrix {
        let matrix = Matrix(rows: 1, columns: columns)
        matrix.set(0, to: [Float](repeating: value, count: columns))
        return matrix
    }

    private func table(sessions: Int, tombstones: Int = 10) -> SessionTable {
        SessionTable(budget: sessions * (16 + SessionTable.overheadBytes), tombstones: tombstones) { 0 }
    }

    @Test("tombstones are bounded: the oldest is forgotten, and then the name is unknown") func boundedTombstones()
        throws
    {
        let table = table(sessions: 100, tombstones: 3)
        for index in 0..<5 {
            _ = try table.create(id: "s\(index)", model: "m", from: row(0), row: 0, step: index)
            try table.delete("s\(index)")
        }
        for index in 0..<5 {
            let expected: SessionError =
                index < 2
                ? .unknown(id: "s\(index)") : .gone(id: "s\(index)", reason: .deleted, lastStep: index)
            #expect(throws: expected) { try table.record("s\(index)") }
        }
    }

    @Test("a name that is taken and ended over and over has one tombstone, of its last session") func sameName() throws
    {
        let table = table(sessions: 2, tombstones: 4)
        for step in 0..<50 {
            _ = try table.create(id: "a", model: "m", from: row(0), row: 0, step: step)
            try table.delete("a")
            #expect(throws: SessionError.gone(id: "a", reason: .deleted, lastStep: step)) { try table.delete("a") }
        }
    }

    @Test("the least recently used session is evicted, and says so") func eviction() throws {
        let table = table(sessions: 3)
        for (step, id) in ["a", "b", "c"].enumerated() {
            _ = try table.create(id: id, model: "m", from: row(Float(step)), row: 0, step: step)
        }
        _ = try table.load("a", into: row(0), row: 0, model: "m")
        _ = try table.record("b")
        _ = try table.create(id: "d", model: "m", from: row(9), row: 0, step: 7)
        #expect(throws: SessionError.gone(id: "b", reason: .evicted, lastStep: 1)) { try table.record("b") }
        #expect(try table.list(limit: 9, after: nil).records.map(\.id) == ["a", "c", "d"])
        #expect(throws: SessionError.gone(id: "b", reason: .evicted, lastStep: 1)) {
            try table.save("b", serial: 2, from: row(0), row: 0, step: 3)
        }
    }

    @Test("a state that is larger than the whole memory is refused and evicts nobody") func storeFull() throws {
        let table = table(sessions: 2)
        _ = try table.create(id: "a", model: "m", from: row(1), row: 0, step: 1)
        let (needed, budget) = (4000 + SessionTable.overheadBytes, table.budget)
        #expect(throws: SessionError.storeFull(needed: needed, budget: budget)) {
            try table.create(id: "b", model: "wide", from: row(0, columns: 1000), row: 0, step: 0)
        }
        #expect(try table.record("a").step == 1)
        #expect(throws: SessionError.unknown(id: "b")) { try table.record("b") }
    }

    @Test("a slow work cannot write into a new session of the same name") func serials() throws {
        let table = table(sessions: 2)
        let old = try table.create(id: "a", model: "m", from: row(1), row: 0, step: 1)
        try table.delete("a")
        _ = try table.create(id: "a", model: "m", from: row(2), row: 0, step: 0)
        let gone = SessionError.gone(id: "a", reason: .deleted, lastStep: 1)
        #expect(throws: gone) { try table.save("a", serial: old.serial, from: row(3), row: 0, step: 2) }
        #expect(throws: gone) { try table.load("a", serial: old.serial, into: row(3), row: 0, model: "m") }
        #expect(throws: gone) { try table.check("a", serial: old.serial) }
        let state = row(0)
        #expect(try table.load("a", into: state, row: 0, model: "m").step == 0)
        #expect(state.values(0) == [2, 2, 2, 2])
        #expect(throws: SessionError.otherModel(id: "a", model: "m")) {
            try table.load("a", into: row(0), row: 0, model: "other")
        }
    }

    @Test("a thousand forks take no memory for states until they move") func forks() throws {
        let columns = 5000
        let table = SessionTable(budget: 20 << 20) { 0 }
        let parent = try table.create(id: "p", model: "m", from: row(1, columns: columns), row: 0, step: 3)
        let children = try table.fork("p", serial: parent.serial, into: [String?](repeating: nil, count: 1000))
        #expect(table.usedMemory == 4 * columns + 1001 * SessionTable.overheadBytes)
        #expect(table.count == 1001 && children.allSatisfy { $0.step == 3 && $0.model == "m" })
        let state = row(0, columns: columns)
        for (index, child) in children.prefix(3).enumerated() {
            _ = try table.save(
                child.id, serial: child.serial, from: row(Float(index) + 2, columns: columns), row: 0, step: 4)
            #expect(table.usedMemory == (index + 2) * 4 * columns + 1001 * SessionTable.overheadBytes)
        }
        for (index, id) in (["p"] + children.prefix(4).map(\.id)).enumerated() {
            _ = try table.load(id, into: state, row: 0, model: "m")
            let value: Float = index == 0 || index == 4 ? 1 : Float(index) + 1
            #expect(state.values(0) == [Float](repeating: value, count: columns))
        }
        // Who moves last needs no copy: the others have gone.
        for child in children.dropFirst(3) { try table.delete(child.id) }
        _ = try table.save("p", serial: parent.serial, from: row(9, columns: columns), row: 0, step: 4)
        #expect(table.usedMemory == 4 * 4 * columns + 4 * SessionTable.overheadBytes)
    }

    @Test("a thousand sessions that end at once have all ended, though one call does not remove them all")
    func expiringCrowd() throws {
        let clock = ManualClock()
        let table = SessionTable(budget: 10 << 20, tombstones: 2000) { clock.now }
        for index in 0..<1000 {
            _ = try table.create(
                id: "s\(index)", model: "m", from: row(1), row: 0, step: index, policy: SessionPolicy(idle: 5))
        }
        let staying = try table.create(id: "stays", model: "m", from: row(1), row: 0, step: 0)
        clock.now = 5
        #expect(try table.list(limit: 2000, after: nil).records == [staying])
        #expect(throws: SessionError.gone(id: "s999", reason: .expired, lastStep: 999)) { try table.record("s999") }
        _ = try table.create(id: "s998", model: "m", from: row(2), row: 0, step: 7)
        #expect(try table.record("s998").step == 7)
        for _ in 0..<10 { _ = table.count }
        #expect(table.count == 2 && table.usedMemory == 2 * (16 + SessionTable.overheadBytes))
    }

    @Test("a held session is not idle, and counts anew from its release") func holds() throws {
        let clock = ManualClock()
        let table = SessionTable(budget: 1 << 20) { clock.now }
        let made = try table.create(
            id: "a", model: "m", from: row(1), row: 0, step: 1, policy: SessionPolicy(idle: 5))
        for _ in 0..<2 { #expect(table.hold("a", serial: made.serial) == made.serial) }
        #expect(table.hold("a", serial: made.serial + 1) == nil)
        for _ in 0..<20 {
            clock.now += 3
            #expect(try table.record("a").step == 1)
        }
        table.release("a", serial: made.serial)
        clock.now += 20
        #expect(try table.record("a").step == 1)
        table.release("a", serial: made.serial)
        clock.now += 4
        #expect(try table.record("a").step == 1)
        clock.now += 1
        #expect(throws: SessionError.gone(id: "a", reason: .expired, lastStep: 1)) { try table.record("a") }
    }

    @Test("alarms of sessions that are deleted do not gather") func alarms() throws {
        let table = table(sessions: 10)
        for _ in 0..<10_000 {
            _ = try table.create(
                id: "a", model: "m", from: row(1), row: 0, step: 1, policy: SessionPolicy(idle: 3600))
            try table.delete("a")
        }
        #expect(table.alarmCount <= 1001)
    }

    @Test("a fork into names of which one is taken makes none") func forkIntoTaken() throws {
        let table = table(sessions: 10)
        let parent = try table.create(id: "p", model: "m", from: row(1), row: 0, step: 3)
        for ids in [["a", "p"], ["a", "b", "a"]] {
            #expect(throws: SessionError.exists(id: ids.last!)) {
                try table.fork("p", serial: parent.serial, into: ids)
            }
        }
        #expect(table.count == 1)
        try table.delete("p")
        #expect(throws: SessionError.gone(id: "p", reason: .deleted, lastStep: 3)) {
            try table.fork("p", serial: parent.serial, into: [nil])
        }
    }

    @Test("pages of any size visit each session once, though sessions end between pages") func pages() throws {
        for limit in 1...7 {
            let table = table(sessions: 20)
            for index in 0..<20 { _ = try table.create(id: "s\(index)", model: "m", from: row(0), row: 0, step: 0) }
            var seen: [String] = []
            var after: String?
            while true {
                let (records, more) = try table.list(limit: limit, after: after)
                seen += records.map(\.id)
                guard more else { break }
                after = records.last!.id
                try table.delete(after!)
            }
            #expect(seen == (0..<20).map { "s\($0)" })
        }
        #expect(throws: SessionError.unknown(id: "x")) { try table(sessions: 1).list(limit: 1, after: "x") }
    }

    @Test("slots that were given back are used before new memory") func slots() {
        let slab = StateSlab(slotBytes: 400_000)
        let first = (0..<7).map { _ in slab.take() }
        #expect(first == Array(0..<7))
        for slot in [2, 5] { #expect(slab.giveBack(slot)) }
        #expect(Set([slab.take(), slab.take()]) == [2, 5])
        #expect(slab.take() == 7)
    }

    @Test("states of any size lie apart from each other", arguments: [1, 3, 1000, 262_143, 262_144, 300_000])
    func slabs(columns: Int) {
        let slab = StateSlab(slotBytes: columns * 4)
        let matrix = Matrix(rows: 1, columns: columns)
        for slot in 0..<5 {
            matrix.set(0, to: [Float](repeating: Float(slot), count: columns))
            slab.write(slab.take(), from: matrix, row: 0)
        }
        for slot in 0..<5 {
            slab.read(slot, into: matrix, row: 0)
            #expect(matrix.values(0).allSatisfy { $0 == Float(slot) })
        }
    }

    @Test("four threads lose no session and mix no states") func threads() throws {
        let table = table(sessions: 1000)
        let failures = Lock()
        nonisolated(unsafe) var wrong: [String] = []
        let threads = (0..<4).map { thread in
            Thread {
                var random = SeededGenerator(seed: UInt64(thread))
                let matrix = Matrix(rows: 1, columns: 4)
                var mine: [(id: String, value: Float, step: Int, serial: UInt64)] = []
                func note(_ text: String) { failures.withLock { unsafe wrong.append(text) } }
                for turn in 0..<5000 {
                    let value = Float(thread * 10_000 + turn)
                    do {
                        switch mine.isEmpty ? 0 : Int.random(in: 0..<4, using: &random) {
                        case 0 where mine.count < 200:
                            matrix.set(0, to: [value, value, value, value])
                            let id = turn % 2 == 0 ? "t\(thread)-\(turn)" : nil
                            let record = try table.create(id: id, model: "m", from: matrix, row: 0, step: 0)
                            mine.append((record.id, value, 0, record.serial))
                        case 1:
                            let at = Int.random(in: 0..<mine.count, using: &random)
                            let record = try table.load(mine[at].id, into: matrix, row: 0, model: "m")
                            if matrix.values(0) != [Float](repeating: mine[at].value, count: 4) { note("state") }
                            if record.step != mine[at].step { note("step") }
                        case 2:
                            let at = Int.random(in: 0..<mine.count, using: &random)
                            matrix.set(0, to: [value, value, value, value])
                            (mine[at].value, mine[at].step) = (value, mine[at].step + 1)
                            _ = try table.save(
                                mine[at].id, serial: mine[at].serial, from: matrix, row: 0, step: mine[at].step)
                        default:
                            if turn % 3 == 0 { try table.delete(mine.removeLast().id) }
                            _ = try table.list(limit: 5, after: mine.last?.id)
                        }
                    } catch {
                        note("\(error)")
                    }
                }
                for session in mine {
                    if (try? table.record(session.id).step) != session.step { note("lost \(session.id)") }
                    if (try? table.delete(session.id)) == nil { note("not deleted") }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(unsafe wrong.isEmpty, "\(unsafe wrong.prefix(5))")
        #expect(table.count == 0)
    }
}

@Suite("Session ids")
struct SessionIDTests {
    @Test("the alphabet is letters, digits and ._:- with an alphanumeric first") func alphabet() {
        for byte in UInt8.min...127 {
            let character = String(UnicodeScalar(byte))
            let isAlphanumeric = character.first!.isLetter || character.first!.isNumber
            #expect(SessionID.isValid(character) == isAlphanumeric, "\(byte)")
            #expect(SessionID.isValid("a" + character) == (isAlphanumeric || "._:-".contains(character)), "\(byte)")
        }
        for id in ["", "é", "aé", "a\u{301}", "٣", "a\r\n", "a b", "a/b", "a\0"] { #expect(!SessionID.isValid(id)) }
    }

    @Test("128 characters are the most") func length() {
        #expect(SessionID.isValid(String(repeating: "a", count: 128)))
        #expect(!SessionID.isValid(String(repeating: "a", count: 129)))
    }

    @Test("made ids are valid, 32 hexadecimal digits, and differ") func random() {
        let ids = (0..<10_000).map { _ in SessionID.random() }
        #expect(Set(ids).count == ids.count)
        #expect(ids.allSatisfy { SessionID.isValid($0) && $0.utf8.count == 32 && $0.allSatisfy(\.isHexDigit) })
    }
}
