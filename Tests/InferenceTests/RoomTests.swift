import Recurrent
import Sessions
import TestSupport
import Testing

@testable import Inference

@Suite("Operations that have to wait for memory")
struct RoomTests {
    /// An engine without a thread over a store, which counts what it asks the store.
    private final class Crowd {
        let model: ServedModel
        let store: SessionStore
        let sessions: SessionTable
        private(set) var ticks = 0
        private(set) var asked = 0
        private let answers = Returns()
        private let engine: Engine
        private var ended = 0

        init(_ model: ServedModel, in folder: TemporaryFolder, budget: Int) throws {
            self.model = model
            store = try SessionStore(
                folder: folder.path, identities: [model.id: model.model.identity.text], clock: monotonicNanoseconds)
            sessions = try SessionTable(budget: budget, store: store) { 0 }
            engine = Engine(
                [model], sessions: sessions, limits: .init(), clock: { 0 },
                answer: { [answers] in answers.append($0, $1) })
        }

        /// Does all of these, which arrive together, and counts from nothing.
        func run(_ works: [Work]) -> [Result<Completion, InferenceError>] {
            (ticks, asked, ended) = (0, 0, 0)
            let operations = works.map { Operation($0, submitted: 0) }
            for operation in operations { engine.admit(operation) }
            while ended < operations.count {
                let back = answers.takeAll()
                asked += back.count
                for (operation, outcome) in back { engine.takeBack(operation, outcome) }
                if engine.isRunnable {
                    engine.tick()
                    ticks += 1
                }
                var finished: [Inference.Operation] = []
                engine.takeFinished(into: &finished)
                ended += finished.count
            }
            return operations.map { $0.result! }
        }

        func step(_ id: String, _ tokens: [Int], key: String? = nil) -> Work {
            var work = Work(model: model.id, target: .session(id), input: .tokens(tokens))
            work.outputs = .none
            work.idempotency = key.map { key in
                Work.Idempotency(key: key, digest: "d") { _ in [UInt8](repeating: 7, count: 300) }
            }
            return work
        }

        func create(_ id: String, _ durability: Durability, recent: Int = 0) throws {
            var work = Work(model: model.id, target: .create(id: id), input: .tokens([1]))
            work.policy = SessionPolicy(recentStates: recent, durability: durability)
            _ = try run([work])[0].get()
        }
    }

    private struct Case: CustomTestStringConvertible, Sendable {
        let durability: Durability
        var recent = 0
        var inputs = 1
        var states = 12
        var isKeyed = false

        var testDescription: String {
            "\(durability) recent \(recent) inputs \(inputs) states \(states)\(isKeyed ? " keyed" : "")"
        }
    }

    private static let cases =
        Durability.allCases.flatMap { durability in
            [
                Case(durability: durability), Case(durability: durability, recent: 5),
                Case(durability: durability, inputs: 3), Case(durability: durability, recent: 5, inputs: 3, states: 4),
                Case(durability: durability, states: 2), Case(durability: durability, isKeyed: true),
            ]
        }

    @Test(
        "forks that all move at once all do, each after asking the store a few times at most",
        .timeLimit(.minutes(10)), arguments: cases)
    private func forks(_ item: Case) throws {
        let (model, folder, count) = (try smallModel(), TemporaryFolder(), 150)
        // The states, and what a session has beside one: it need not have all of it in the memory at any time.
        let extras = item.recent * SessionTable.checkpointBytes + (item.isKeyed ? 600 : 0)
        let budget = (count + 2) * SessionTable.overheadBytes + item.states * model.model.state.bytes + extras
        // With fewer states the memory has room for less than it would leave to new sessions.
        let isLess = item.states < 12
        var crowd = try Crowd(model, in: folder, budget: isLess ? 64 << 20 : budget)
        defer { crowd.store.stop() }
        try crowd.create("parent", item.durability, recent: item.recent)
        var fork = crowd.step("parent", [])
        fork.action = .fork(into: (0..<count).map { "f\($0)" })
        _ = try crowd.run([fork])[0].get()
        if isLess {
            crowd.store.stop()
            crowd = try Crowd(model, in: folder, budget: budget)
        }
        for round in 1...3 {
            let works = (0..<count).map {
                crowd.step("f\($0)", .init(repeating: 2, count: item.inputs), key: item.isKeyed ? "k\(round)" : nil)
            }
            let results = crowd.run(works)
            let refused = results.compactMap(\.error)
            #expect(refused.isEmpty, "\(refused.count) refused, the first with \(String(describing: refused.first))")
            #expect(crowd.asked <= 4 * count && crowd.ticks <= 6 * count, "\(crowd.asked) asked, \(crowd.ticks) ticks")
            for case .success(let completion) in results { #expect(completion.step == 1 + round * item.inputs) }
            #expect(crowd.sessions.usedMemory <= budget + budget / 8)
        }
        let after = model.state(after: [1] + [Int](repeating: 2, count: 3 * item.inputs))
        for index in 0..<count {
            var look = crowd.step("f\(index)", [])
            look.wantsState = true
            #expect(try crowd.run([look])[0].get().state!.map(\.bitPattern) == after)
        }
    }

    @Test("a session that fits beside no other is refused at once, and so does not keep the others waiting")
    func tooLarge() throws {
        let (model, folder) = (try smallModel(), TemporaryFolder())
        let budget = 3 * SessionTable.overheadBytes + model.model.state.bytes + 100
        let crowd = try Crowd(model, in: folder, budget: budget)
        defer { crowd.store.stop() }
        for id in ["a", "b"] { try crowd.create(id, .none) }
        // To keep a state beside the one that it moves to takes room for two.
        try crowd.create("two", .none, recent: 1)
        let results = crowd.run(["a", "two", "b"].map { crowd.step($0, [2]) })
        #expect(try results[0].get().step == 2)
        guard case .session(.storeFull)? = results[1].error else {
            return #expect(Bool(false), "\(String(describing: results[1].error))")
        }
        #expect(try results[2].get().step == 2)
        #expect(crowd.asked <= 12, "\(crowd.asked) asked")
    }
}
