import Kernels
import Recurrent
import Sessions
import Synchronization
import TestSupport
import Testing

@testable import Inference

@Suite("Operations that wait for the disk")
struct AwaitingTests {
    /// An engine without a thread over a store whose answers are passed on by hand.
    private final class Waiting {
        private final class Answers: Sendable {
            let returns = Returns()
            let time = Mutex<Int64>(1_000)
        }

        let model: ServedModel
        let store: SessionStore
        let sessions: SessionTable
        private let answers = Answers()
        private(set) var engine: Engine!
        /// It goes with its last reference, and a store without its folder takes no more moves.
        private let folder: TemporaryFolder

        init(_ folder: TemporaryFolder) throws {
            self.folder = folder
            model = try smallModel()
            store = try SessionStore(
                folder: folder.path, identities: [model.id: model.model.identity.text], clock: monotonicNanoseconds)
            sessions = try SessionTable(budget: 1 << 20, store: store) { 0 }
            engine = Engine(
                [model], sessions: sessions, limits: .init(), clock: { [answers] in answers.time.withLock { $0 } },
                answer: { [answers] in answers.returns.append($0, $1) })
        }

        func pass(_ nanoseconds: Int64) { answers.time.withLock { $0 += nanoseconds } }

        func submit(deadline: Int64) -> Inference.Operation {
            var work = Work(model: model.id, target: .session("a"), input: .tokens([1]))
            work.deadline = answers.time.withLock { $0 } + deadline
            let operation = Operation(work, submitted: 0)
            engine.admit(operation)
            return operation
        }

        /// Passes the store's next answer on.
        func takeBack() {
            while true {
                let next = answers.returns.takeFirst()
                guard let (operation, outcome) = next else { continue }
                return engine.takeBack(operation, outcome)
            }
        }

        func finish() { while engine.isRunnable { engine.tick() } }
    }

    /// A folder with the session a on disk.
    private func folder() async throws -> TemporaryFolder {
        let folder = TemporaryFolder()
        let server = try DurableServer(try smallModel(), in: folder.path)
        try await server.create("a", .sync, [1, 2])
        server.stop()
        return folder
    }

    @Test("one whose deadline passes meanwhile ends then, and what comes back is dropped") func deadline() async throws
    {
        let waiting = try Waiting(try await folder())
        defer { waiting.store.stop() }
        let (first, second) = (waiting.submit(deadline: 100), waiting.submit(deadline: 10_000))
        waiting.engine.tick()
        let used = waiting.sessions.usedMemory
        #expect(first.error == nil && waiting.engine.earliestDeadline <= 1_100)
        // Who has been looked at without effect is still waited for.
        waiting.engine.sweep()
        #expect(waiting.engine.earliestDeadline == 1_100)
        waiting.pass(200)
        waiting.engine.tick()
        #expect(first.error == .deadlinePassed)
        // The next of the session has its turn, and waits as well.
        waiting.engine.tick()
        waiting.takeBack()
        #expect(waiting.sessions.usedMemory <= used + waiting.model.model.state.bytes)
        waiting.takeBack()
        waiting.finish()
        #expect(try second.result?.get().step == 3)
        #expect(try waiting.sessions.record("a").step == 3)
    }

    @Test("a deadline counts again for one that has come back") func afterwards() async throws {
        let waiting = try Waiting(try await folder())
        defer { waiting.store.stop() }
        let operation = waiting.submit(deadline: 500)
        waiting.engine.tick()
        waiting.engine.sweep()
        waiting.takeBack()
        #expect(waiting.engine.earliestDeadline == 1_500)
        waiting.pass(500)
        waiting.engine.tick()
        #expect(operation.error == .deadlinePassed)
        #expect(try waiting.sessions.record("a").step == 2)
    }

    @Test("an end without order does not wait for the disk") func abandoned() async throws {
        let waiting = try Waiting(try await folder())
        defer { waiting.store.stop() }
        let operation = waiting.submit(deadline: 10_000)
        waiting.engine.tick()
        waiting.engine.abandon(.draining)
        #expect(operation.error == .draining)
        let used = waiting.sessions.usedMemory
        waiting.takeBack()
        #expect(waiting.sessions.usedMemory <= used)
        #expect(!waiting.engine.isRunnable)
    }
}
