import Kernels
import TestSupport
import Testing

@testable import Sessions

@Suite("States to go back to, and replies to give again")
struct CheckpointTests {
    private let matrix = Matrix(rows: 2, columns: 4)

    private func make(_ table: SessionTable, _ id: String, recent: Int = 0) throws -> SessionRecord {
        matrix.set(0, to: [0, 0, 0, 0])
        return try table.create(
            id: id, model: "m", from: matrix, row: 0, step: 0, policy: SessionPolicy(recentStates: recent))
    }

    @discardableResult
    private func move(_ table: SessionTable, _ session: SessionRecord, to step: Int, reply: StoredReply? = nil) throws
        -> SessionRecord
    {
        matrix.set(0, to: [Float](repeating: Float(step), count: 4))
        return try table.save(session.id, serial: session.serial, from: matrix, row: 0, step: step, reply: reply)
    }

    private func value(_ table: SessionTable, _ id: String) throws -> Float {
        _ = try table.load(id, into: matrix, row: 1, model: "m")
        #expect(Set(matrix.values(1)).count == 1)
        return matrix.values(1)[0]
    }

    @Test("a checkpoint takes no memory for its state until the session moves, and outlives its moves")
    func checkpoint() throws {
        let table = SessionTable(budget: 1 << 20) { 0 }
        let session = try make(table, "a")
        try move(table, session, to: 3)
        let before = table.usedMemory
        #expect(try table.checkpoint("a", serial: session.serial, name: "here").checkpoint.step == 3)
        #expect(table.usedMemory == before + SessionTable.checkpointBytes)
        try move(table, session, to: 4)
        #expect(table.usedMemory == before + SessionTable.checkpointBytes + 16)
        for step in 5...9 { try move(table, session, to: step) }
        #expect(table.usedMemory == before + SessionTable.checkpointBytes + 16)
        for _ in 0..<2 {
            let record = try table.rewind("a", serial: session.serial, to: .checkpoint("here"))
            #expect(record.step == 3)
            #expect(try value(table, "a") == 3)
            try move(table, session, to: 70)
            #expect(try value(table, "a") == 70)
        }
        _ = try table.deleteCheckpoint("a", serial: session.serial, name: "here")
        #expect(table.usedMemory == before)
        try table.delete("a")
        #expect(table.usedMemory == 0)
    }

    @Test("names are unique within a session and bounded in number") func names() throws {
        let table = SessionTable(budget: 1 << 20) { 0 }
        let session = try make(table, "a")
        #expect(try table.checkpoint("a", serial: session.serial, name: nil).checkpoint.name == "step-0")
        #expect(throws: SessionError.checkpointExists(name: "step-0")) {
            try table.checkpoint("a", serial: session.serial, name: nil)
        }
        for index in 1..<Checkpoint.limit {
            _ = try table.checkpoint("a", serial: session.serial, name: "c\(index)")
        }
        #expect(throws: SessionError.tooManyCheckpoints(limit: Checkpoint.limit)) {
            try table.checkpoint("a", serial: session.serial, name: "more")
        }
        #expect(throws: SessionError.noCheckpoint(.checkpoint("more"), steps: [0])) {
            try table.rewind("a", serial: session.serial, to: .checkpoint("more"))
        }
        #expect(try table.checkpoints("a", serial: session.serial).count == Checkpoint.limit)
    }

    @Test("of recent states the last few are kept, and a rewind can be taken back") func recent() throws {
        let table = SessionTable(budget: 1 << 20) { 0 }
        let session = try make(table, "a", recent: 3)
        for step in 1...10 { try move(table, session, to: step) }
        #expect(try table.checkpoints("a", serial: session.serial).map(\.step) == [7, 8, 9])
        #expect(try table.rewind("a", serial: session.serial, to: .step(8)).step == 8)
        #expect(try value(table, "a") == 8)
        #expect(try table.rewind("a", serial: session.serial, to: .step(10)).step == 10)
        #expect(try value(table, "a") == 10)
        #expect(throws: SessionError.noCheckpoint(.step(2), steps: [8, 9, 10])) {
            try table.rewind("a", serial: session.serial, to: .step(2))
        }
        let fork = try table.fork("a", serial: session.serial, into: ["b"])[0]
        #expect(try table.checkpoints("b", serial: fork.serial).isEmpty)
        try move(table, fork, to: 20)
        #expect(try table.rewind("b", serial: fork.serial, to: .step(10)).step == 10)
        try table.delete("a")
        #expect(try value(table, "b") == 10)
        try table.delete("b")
        #expect(table.usedMemory == 0)
    }

    @Test("the oldest of the recent states can be gone back to though the move pushes it out") func oldest() throws {
        let table = SessionTable(budget: 1 << 20) { 0 }
        let session = try make(table, "a", recent: 2)
        for step in 1...3 { try move(table, session, to: step) }
        #expect(try table.rewind("a", serial: session.serial, to: .step(1)).step == 1)
        #expect(try value(table, "a") == 1)
        #expect(try table.checkpoints("a", serial: session.serial).map(\.step) == [2, 3])
    }

    @Test("random checkpoints, forks, moves and rewinds against plain copies of all states", arguments: 0..<4)
    func random(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        // Wide enough that nobody is evicted.
        let table = SessionTable(budget: 1 << 20) { 0 }
        struct Copy {
            var record: SessionRecord
            var value: Float
            var named: [String: (step: Int, value: Float)] = [:]
            var recent: [(step: Int, value: Float)] = []
        }
        var copies: [Copy] = []
        var next: Float = 1
        for turn in 0..<5000 {
            if copies.isEmpty || copies.count < 6 && Int.random(in: 0..<20, using: &random) == 0 {
                let recent = Int.random(in: 0...3, using: &random)
                copies.append(Copy(record: try make(table, "s\(turn)", recent: recent), value: 0))
                continue
            }
            let at = Int.random(in: 0..<copies.count, using: &random)
            let record = copies[at].record
            func leave() {
                guard record.policy.recentStates > 0 else { return }
                copies[at].recent.append((copies[at].record.step, copies[at].value))
                if copies[at].recent.count > record.policy.recentStates { copies[at].recent.removeFirst() }
            }
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<5:
                leave()
                next += 1
                matrix.set(0, to: [next, next, next, next])
                let step = record.step + 1
                copies[at].record = try table.save(
                    record.id, serial: record.serial, from: matrix, row: 0, step: step)
                copies[at].value = next
            case 5..<7 where copies[at].named.count < 5:
                let name = "c\(turn)"
                _ = try table.checkpoint(record.id, serial: record.serial, name: name)
                copies[at].named[name] = (record.step, copies[at].value)
            case 7..<9:
                guard let (name, kept) = copies[at].named.randomElement(using: &random) else { continue }
                if Bool.random(using: &random) {
                    _ = try table.deleteCheckpoint(record.id, serial: record.serial, name: name)
                    copies[at].named[name] = nil
                } else {
                    leave()
                    copies[at].record = try table.rewind(record.id, serial: record.serial, to: .checkpoint(name))
                    copies[at].value = kept.value
                    #expect(copies[at].record.step == kept.step)
                }
            case 9 where copies.count < 8:
                let child = try table.fork(record.id, serial: record.serial, into: [nil])[0]
                copies.append(Copy(record: child, value: copies[at].value))
            case 10 where turn % 3 == 0:
                try table.delete(record.id)
                copies.remove(at: at)
            default:
                guard let kept = copies[at].recent.last else { continue }
                let (step, wanted) = (kept.step, kept.value)
                leave()
                copies[at].record = try table.rewind(record.id, serial: record.serial, to: .step(step))
                copies[at].value = wanted
                #expect(copies[at].record.step == step)
            }
            for copy in copies { #expect(try value(table, copy.record.id) == copy.value) }
        }
        for copy in copies { try table.delete(copy.record.id) }
        #expect(table.usedMemory == 0)
    }

    @Test("replies are kept with the state, the last ones, and paid for") func replies() throws {
        let table = SessionTable(budget: 10_000) { 0 }
        let session = try make(table, "a")
        for index in 1...20 {
            try move(table, session, to: index, reply: StoredReply(key: "k\(index)", digest: "d", body: [UInt8(index)]))
        }
        #expect(try table.reply("a", serial: session.serial, key: "k12") == nil)
        #expect(try table.reply("a", serial: session.serial, key: "k13")?.body == [13])
        let large = StoredReply(key: "large", digest: "d", body: [UInt8](repeating: 0, count: 20_000))
        #expect(throws: SessionError.self) { try move(table, session, to: 99, reply: large) }
        #expect(try table.record("a").step == 20)
        #expect(try value(table, "a") == 20)
        try table.delete("a")
        #expect(table.usedMemory == 0)
    }

    @Test("a fork begins without the replies that its parent keeps") func forkedReplies() throws {
        let table = SessionTable(budget: 1 << 20) { 0 }
        let session = try make(table, "a")
        try move(table, session, to: 1, reply: StoredReply(key: "k", digest: "d", body: [1]))
        let reply = StoredReply(key: "f", digest: "d", body: [2])
        let fork = try table.fork("a", serial: session.serial, into: ["b"], reply: reply)[0]
        for key in ["k", "f"] {
            #expect(try table.reply("a", serial: session.serial, key: key) != nil)
            #expect(try table.reply("b", serial: fork.serial, key: key) == nil)
        }
    }
}
