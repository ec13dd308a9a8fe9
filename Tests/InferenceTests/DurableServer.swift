import CPowerCut
import Kernels
import Recurrent
import Sessions
import TestSupport
import Threading

@testable import Inference

/// A scheduler over sessions that are kept in a folder.
final class DurableServer: Sendable {
    let sessions: SessionTable
    let scheduler: Scheduler
    let store: SessionStore
    let model: ServedModel

    init(
        _ model: ServedModel, in folder: String, budget: Int = 64 << 20, options: SessionStore.Options = .init(),
        clock: @escaping @Sendable () -> Double = { 0 }
    ) throws(StoreError) {
        self.model = model
        store = try SessionStore(
            folder: folder, identities: [model.id: model.model.identity.text], options: options,
            clock: monotonicNanoseconds)
        sessions = try SessionTable(budget: budget, store: store, clock: clock)
        scheduler = Scheduler([model], sessions: sessions, clock: monotonicNanoseconds)
    }

    func stop() {
        scheduler.stop()
        store.stop()
    }

    @discardableResult
    func create(_ id: String, _ durability: Durability, _ tokens: [Int] = []) async throws(InferenceError) -> Completion
    {
        var work = Work(model: model.id, target: .create(id: id), input: .tokens(tokens))
        work.policy = SessionPolicy(durability: durability)
        return try await scheduler.run(work)
    }

    @discardableResult
    func absorb(
        _ id: String, _ tokens: [Int], scan: ScanMode = .exact, generating count: Int = 0
    ) async throws(InferenceError) -> Completion {
        var work = Work(model: model.id, target: .session(id), input: .tokens(tokens))
        (work.outputs, work.scan) = (.none, scan)
        if count > 0 { work.generation = generation(count) }
        return try await scheduler.run(work)
    }

    func act(_ id: String, _ action: Work.Action) async throws(InferenceError) -> Completion {
        var work = Work(model: model.id, target: .session(id), input: .empty)
        (work.outputs, work.action) = (.none, action)
        return try await scheduler.run(work)
    }

    /// The step and the bits of the state of a session, wherever it is.
    func state(_ id: String) async throws(InferenceError) -> (step: Int, bits: [UInt32]) {
        var work = Work(model: model.id, target: .session(id), input: .empty)
        (work.outputs, work.wantsState) = (.none, true)
        let completion = try await scheduler.run(work)
        return (completion.step, completion.state!.map(\.bitPattern))
    }
}

/// A system for SQLite whose power may fail.
struct PowerSupply: Sendable {
    let name: String

    init(_ name: String) {
        self.name = name
        precondition(unsafe powercut_register(name) == 0, "the name \(name) is taken")
    }

    var options: SessionStore.Options {
        var options = SessionStore.Options()
        options.vfs = name
        return options
    }

    func cut() { unsafe powercut_cut(name) }
    func restore(seed: Int) -> Int { Int(unsafe powercut_restore(name, UInt32(seed))) }
    /// Lets all files together have no more than so many bytes; nil for no bound.
    func bound(to bytes: Int?) { unsafe powercut_bound(name, bytes ?? -1) }
    /// Bytes that all files have together.
    var used: Int { unsafe powercut_used(name) }
    var syncs: Int { unsafe powercut_syncs(name) }
}

extension ServedModel {
    /// The state of a fresh sequence that has absorbed these tokens.
    func state(after tokens: [Int]) -> [UInt32] {
        let alone = Alone(self)
        for token in tokens { alone.absorb(token) }
        return alone.state
    }
}
