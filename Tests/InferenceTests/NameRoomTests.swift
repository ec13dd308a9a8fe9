import Recurrent
import Sessions
import TestSupport
import Testing

@testable import Inference

/// A scheduler over two models, with states of different sizes, and sessions on disk.
private final class TwoModels: Sendable {
    let models: [ServedModel]
    let store: SessionStore
    let sessions: SessionTable
    let scheduler: Scheduler

    init(_ models: [ServedModel], in folder: TemporaryFolder, budget: Int) throws {
        self.models = models
        let identities = models.map { ($0.id, $0.model.identity.text) }
        store = try SessionStore(
            folder: folder.path, identities: Dictionary(uniqueKeysWithValues: identities), clock: monotonicNanoseconds)
        sessions = try SessionTable(budget: budget, store: store) { 0 }
        scheduler = Scheduler(models, sessions: sessions, clock: monotonicNanoseconds)
    }

    func stop() {
        scheduler.stop()
        store.stop()
    }

    @discardableResult
    func act(_ id: String, _ tokens: [Int] = [], _ action: Work.Action? = nil, key: String? = nil)
        async throws(InferenceError) -> Completion
    {
        // The first letter of a name says which model.
        var work = Work(model: models[id.hasPrefix("l") ? 1 : 0].id, target: .session(id), input: .tokens(tokens))
        (work.outputs, work.action) = (.none, action)
        work.idempotency = key.map { Work.Idempotency(key: $0, digest: $0) { _ in [UInt8](repeating: 7, count: 900) } }
        return try await scheduler.run(work)
    }

    func create(_ id: String, _ durability: Durability, recent: Int) async throws(InferenceError) {
        var work = Work(model: models[id.hasPrefix("l") ? 1 : 0].id, target: .create(id: id), input: .tokens([1]))
        work.policy = SessionPolicy(recentStates: recent, durability: durability)
        _ = try await scheduler.run(work)
    }
}

@Suite("Names leave room to work on every session")
struct NameRoomTests {
    private func models() throws -> [ServedModel] {
        var large = RandomModel()
        (large.vocabularySize, large.width, large.innerWidth, large.kernel) = (8, 96, 160, 4)
        return [try smallModel(), try served(large, as: "large", characters: "abcdefgh")]
    }

    /// Makes sessions until none can be made any more, nor forks of any.
    private func fill(_ server: TwoModels, _ durability: Durability) async throws -> [String] {
        var ids: [String] = []
        for id in ["s0", "l0", "s1", "l1"] {
            try await server.create(id, durability, recent: id.hasSuffix("1") ? 3 : 0)
            _ = try await server.act(id, [], .checkpoint(name: "c"))
            try await server.act(id, [2])
            ids.append(id)
        }
        var refusals: [InferenceError] = []
        for turn in 0..<5000 where refusals.count < 20 {
            let id = (turn % 3 == 0 ? "l" : "s") + "-\(turn)"
            do throws(InferenceError) {
                if turn % 2 == 0 {
                    try await server.create(id, durability, recent: turn % 5)
                } else {
                    try await server.act(id.hasPrefix("l") ? "l1" : "s0", [], .fork(into: [id]))
                }
                ids.append(id)
            } catch {
                refusals.append(error)
            }
        }
        #expect(refusals.count == 20)
        let unexpected = refusals.filter { refusal in
            if case .session(.namesFull(sessions: ids.count, room: _, budget: _)) = refusal { return false }
            return true
        }
        #expect(unexpected.isEmpty, "\(unexpected.count), the first \(String(describing: unexpected.first))")
        #expect(server.sessions.count == ids.count)
        return ids
    }

    /// Does with each session what the largest of operations do.
    private func useAll(_ ids: [String], _ server: TwoModels, key: String) async {
        var wrong: [String] = []
        for id in ids {
            do throws(InferenceError) {
                let step = try server.record(id).step
                if try await server.act(id, [3]).step != step + 1 { wrong.append("\(id): step") }
                if try await server.act(id, [4], key: key).step != step + 2 { wrong.append("\(id): step with a key") }
                if try await !server.act(id, [4], key: key).isReplayed { wrong.append("\(id): reply") }
                try await server.act(id, [], .tellOutput)
                let isMarked = ids.firstIndex(of: id)! < 4
                let target: RewindTarget = isMarked ? .checkpoint("c") : .step(0)
                let back = try await server.act(id, [], .rewind(target)).step
                if back != (isMarked ? 1 : 0) { wrong.append("\(id): back") }
                try await server.act(id, [5])
            } catch {
                wrong.append("\(id): \(error)")
            }
            do throws(InferenceError) {
                try await server.act(id, [], .fork(into: ["more"]))
                wrong.append("\(id): forked")
            } catch {
                if case .session(.namesFull) = error { continue }
                wrong.append("fork of \(id): \(error)")
            }
        }
        #expect(wrong.isEmpty, "\(wrong.count) of \(ids.count) sessions and more: \(wrong.prefix(3))")
        let (used, budget) = (server.sessions.usedMemory, server.sessions.budget)
        #expect(used <= budget + budget / 8, "\(used) of \(budget)")
    }

    @Test(
        "when no more can be made, each can be stepped, asked, rewound and keep replies, also after a restart",
        .timeLimit(.minutes(10)), arguments: Durability.allCases, [24 << 10, 60 << 10])
    func filled(durability: Durability, budget: Int) async throws {
        let (models, folder) = (try models(), TemporaryFolder())
        #expect(models[1].model.state.bytes > 2 * models[0].model.state.bytes)
        var server = try TwoModels(models, in: folder, budget: budget)
        let ids = try await fill(server, durability)
        await useAll(ids, server, key: "a")
        server.stop()
        server = try TwoModels(models, in: folder, budget: budget)
        #expect(server.sessions.count == ids.count)
        await useAll(ids, server, key: "b")
        try server.sessions.delete(ids[5])
        try await server.create("s-last", durability, recent: 0)
        server.stop()
    }
}

extension TwoModels {
    fileprivate func record(_ id: String) throws(InferenceError) -> SessionRecord {
        do throws(SessionError) { return try sessions.record(id) } catch { throw .session(error) }
    }
}
