import Kernels
import TestSupport
import Testing
import Threading

@testable import Sessions

/// A clock that is set by hand.
final class ManualClock: @unchecked Sendable {
    private let lock = Lock()
    private var time = 0.0
    var now: Double {
        get { lock.withLock { time } }
        set { lock.withLock { time = newValue } }
    }
}

@Suite("The session table against a plain model of its contract")
struct SessionTableModelTests {
    /// Values of one state, by model; the last fits no budget.
    private static let sizes = ["small": 6, "large": 40, "huge": 2000]

    @Test("twenty thousand random operations give what the model gives, to the bit", arguments: 0..<6)
    func operations(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        // Room for four to ten sessions; names come back often.
        let (budget, stones) = (2800, [0, 1, 5, 40, 100_000, 100_000][seed])
        let clock = ManualClock()
        let table = SessionTable(budget: budget, tombstones: stones, shards: stones > 100 ? 8 : 1) { clock.now }
        var model = ReferenceTable(budget: budget, tombstones: stones)
        var serials: [(id: String, serial: UInt64)] = []
        var names = (0..<24).map { "s\($0)" }
        let rows = Self.sizes.mapValues { Matrix(rows: 3, columns: $0) }
        var mismatches: [String] = []

        func outcome<T>(_ body: () throws(SessionError) -> T) -> Result<T, SessionError> {
            do throws(SessionError) { return .success(try body()) } catch { return .failure(error) }
        }
        func session(_ record: SessionRecord, _ state: [UInt32]) -> ReferenceTable.Session {
            ReferenceTable.Session(
                id: record.id, model: record.model, step: record.step, serial: record.serial,
                createdAt: record.createdAt, lastUsedAt: record.lastUsedAt, state: state, policy: record.policy)
        }
        func fill(_ matrix: Matrix) -> [UInt32] {
            // Any bit pattern, NaN included: a state is bytes to the table.
            let bits = (0..<matrix.columns).map { _ in UInt32.random(in: 0...UInt32.max, using: &random) }
            matrix.set(1, to: bits.map { Float(bitPattern: $0) })
            return matrix.values(1).map(\.bitPattern)
        }
        func compare<T: Equatable>(_ what: String, _ a: Result<T, SessionError>, _ b: Result<T, SessionError>) {
            if a != b { mismatches.append("\(what): \(a) for \(b)") }
        }

        for turn in 0..<20_000 {
            // Quarters of a second, so that some end at the same time; there may be a hundred turns between two.
            clock.now += Double(Int.random(in: 0...4, using: &random)) / 4
            model.expire(at: clock.now)
            let id = names.randomElement(using: &random)!
            let kind = ["small", "small", "small", "large", "large"].randomElement(using: &random)!
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<30:
                let name = turn % 50 == 0 ? "huge" : kind
                let matrix = rows[name]!
                let state = fill(matrix)
                let wanted = Bool.random(using: &random) ? id : nil
                let policy = SessionPolicy(
                    idle: [5, 20, .infinity].randomElement(using: &random)!,
                    total: [12, 50, .infinity].randomElement(using: &random)!)
                let made = outcome { () throws(SessionError) in
                    try table.create(id: wanted, model: name, from: matrix, row: 1, step: turn, policy: policy)
                }
                var fresh = ReferenceTable.Session(
                    id: wanted ?? "", model: name, step: turn, serial: 0, createdAt: 0, lastUsedAt: 0, state: state)
                if case .success(let record) = made {
                    fresh = session(record, state)
                    #expect(record.step == turn && record.model == name && record.stateBytes == 4 * state.count)
                    #expect(record.id == wanted ?? record.id && record.serial > serials.last?.serial ?? 0)
                    serials.append((record.id, record.serial))
                    if wanted == nil { names[Int.random(in: 0..<names.count, using: &random)] = record.id }
                }
                let expected = outcome { () throws(SessionError) in try model.create(fresh) }
                compare("create", made.map { session($0, state) }, expected.map { fresh })
            case 30..<50:
                let matrix = rows[kind]!
                let found = outcome { () throws(SessionError) in
                    session(try table.load(id, into: matrix, row: 2, model: kind), matrix.values(2).map(\.bitPattern))
                }
                let now = (try? found.get().lastUsedAt) ?? 0
                compare("load", found, outcome { () throws(SessionError) in try model.load(id, model: kind, now: now) })
            case 50..<70:
                // Any serial that was ever given out, most of them of sessions that are gone or were replaced.
                let live = try? table.record(id)
                let old = serials.filter { $0.id == id }.randomElement(using: &random)?.serial ?? 1
                let serial = Bool.random(using: &random) ? live?.serial ?? old : old
                let matrix = rows[live?.model ?? kind]!
                let state = fill(matrix)
                let saved = outcome { () throws(SessionError) in
                    session(try table.save(id, serial: serial, from: matrix, row: 1, step: turn), state)
                }
                let now = (try? saved.get().lastUsedAt) ?? 0
                let expected = outcome { () throws(SessionError) in
                    try model.save(id, serial: serial, step: turn, state: state, now: now)
                }
                compare("save", saved, expected)
            case 70..<76:
                let parent = try? table.record(id)
                let count = Int.random(in: 1...4, using: &random)
                let ids = (0..<count).map { _ in
                    Bool.random(using: &random) ? names.randomElement(using: &random) : nil
                }
                let serial = parent?.serial ?? serials.randomElement(using: &random)?.serial ?? 1
                let state = model.sessions.first { $0.id == id }?.state ?? []
                let made = outcome { () throws(SessionError) in try table.fork(id, serial: serial, into: ids) }
                let children = ((try? made.get()) ?? []).map { session($0, state) }
                for (child, wanted) in zip(children, ids) {
                    #expect(child.id == wanted ?? child.id && child.step == parent?.step)
                    #expect(child.serial > serials.last?.serial ?? 0)
                    serials.append((child.id, child.serial))
                    if wanted == nil { names[Int.random(in: 0..<names.count, using: &random)] = child.id }
                }
                let expected = outcome { () throws(SessionError) in
                    try model.fork(id, serial: serial, into: ids, children: children)
                }
                compare("fork", made.map { _ in true }, expected.map { true })
                if case .success = made { model.used(id, at: (try? table.record(id).lastUsedAt) ?? 0) }
            case 76..<80:
                let deleted = outcome { () throws(SessionError) in try table.delete(id) }.map { true }
                compare("delete", deleted, outcome { () throws(SessionError) in try model.delete(id) }.map { true })
            case 80..<90:
                let found = outcome { () throws(SessionError) in try table.record(id) }
                let expected = outcome { () throws(SessionError) in try model.record(id) }
                compare("record", found.map { session($0, []) }, expected.map { $0.withoutState })
            default:
                let (limit, after) = (Int.random(in: 1...6, using: &random), Bool.random(using: &random) ? id : nil)
                let found = outcome { () throws(SessionError) in try table.list(limit: limit, after: after) }
                let expected = outcome { () throws(SessionError) in try model.list(limit: limit, after: after) }
                let listed = found.map { $0.records.map { session($0, []) } }
                compare("list", listed, expected.map { $0.sessions.map(\.withoutState) })
                compare("list's end", found.map(\.more), expected.map(\.more))
            }
            if table.count != model.sessions.count { mismatches.append("\(table.count) sessions") }
            if !mismatches.isEmpty { break }
        }
        #expect(mismatches.isEmpty)
        for expected in model.sessions {
            let matrix = rows[expected.model]!
            _ = try? table.load(expected.id, into: matrix, row: 0, model: expected.model)
            #expect(matrix.values(0).map(\.bitPattern) == expected.state)
        }
    }
}

extension ReferenceTable.Session {
    var withoutState: Self {
        var copy = self
        copy.state = []
        return copy
    }
}
