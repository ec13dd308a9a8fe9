import API
import Inference
import Logging
import Recurrent
import Sessions
import Threading

/// The folder of models and what of it is served: all at the start and at SIGHUP, but for those that a client has
/// unloaded, until one loads them.
///
/// One thread at a time reads the folder, under `turn`; what others may look at is under `lock`: so
/// `@unchecked Sendable`.
final class Repository: ModelRepository, @unchecked Sendable {
    let isControlled: Bool
    private let log: Logger
    private let folder: String
    private let turn = Lock()
    private var loader: ModelLoader
    private let lock = Lock()
    private var everyone: Served?
    private var unloaded: Set<String> = []
    /// Why those that could not be read could not.
    private var reasons: [String: String] = [:]

    /// Who is told what is served.
    struct Served {
        let catalog: Catalog
        let scheduler: Scheduler
        let store: SessionStore?
    }

    init(_ settings: ModelSettings, _ log: Logger) {
        (isControlled, folder, self.log) = (settings.areControlled, settings.folder, log)
        loader = ModelLoader(settings, log)
    }

    /// Reads all models.
    func read() throws(Failure) -> [ServedModel] {
        try turn.withLock { () throws(Failure) in try readAll() }
    }

    /// From now on `served` is told of what changes.
    func begin(_ served: Served) { lock.withLock { everyone = served } }

    private var served: Served? { lock.withLock { everyone } }

    /// Serves what is in the folder now. A model that cannot be served any more stays where another one has its name.
    func reload() {
        turn.withLock {
            do throws(Failure) {
                for id in serve(try readAll()) {
                    log.error("model \(id) has changed; sessions are of what it was: it stays so until a restart")
                }
                log.notice("folder of models read again", metadata: ["models": "\(names)"])
            } catch {
                log.error("models stay as they are: \(error)")
            }
        }
    }

    // MARK: What clients ask

    func index() -> [ModelIndexEntry] {
        let directory = try? ModelDirectory(folder)
        let names = (directory?.paths.map(Self.name) ?? []) + (directory?.skipped.map(\.name) ?? [])
        let served = Set(served?.catalog.models.map(\.id) ?? [])
        return lock.withLock {
            Set(names).union(served).sorted().map { name in
                let reason = unloaded.contains(name) ? "unloaded" : reasons[name] ?? "not loaded"
                return ModelIndexEntry(name: name, reason: served.contains(name) ? nil : reason)
            }
        }
    }

    func load(_ name: String) async throws(ModelRepositoryError) {
        try await offTheLoop { [self] () throws(ModelRepositoryError) in
            let directory: ModelDirectory
            do throws(CheckpointError) {
                directory = try ModelDirectory(folder)
            } catch {
                throw .folderUnreadable(error.reason ?? "\(error)")
            }
            if let skipped = directory.skipped.first(where: { $0.name == name }) { throw .unreadable(skipped.reason) }
            guard let path = directory.paths.first(where: { Self.name($0) == name }) else { throw .unknown }
            let model: ServedModel
            do throws(CheckpointError) {
                model = try loader.load(path)
            } catch {
                note(name, "\(error)")
                throw .unreadable("\(error)")
            }
            let others = served?.catalog.models.filter { $0.id != name } ?? []
            guard !serve(others + [model]).contains(name) else {
                note(name, "sessions are of other weights of that name")
                throw .otherWeights
            }
            note(name, nil)
            log.notice("a client has loaded \(name)", metadata: ["models": "\(names)"])
        }
    }

    func unload(_ name: String) async throws(ModelRepositoryError) {
        try await offTheLoop { [self] () throws(ModelRepositoryError) in
            guard let models = served?.catalog.models, models.contains(where: { $0.id == name }) else {
                throw .notServed
            }
            lock.withLock { _ = unloaded.insert(name) }
            _ = serve(models.filter { $0.id != name })
            log.notice("a client has unloaded \(name)", metadata: ["models": "\(names)"])
        }
    }

    // MARK: Parts

    /// Under `turn`.
    private func readAll() throws(Failure) -> [ServedModel] {
        let left = lock.withLock { unloaded }
        let (models, refused) = try loader.load(without: left)
        lock.withLock { reasons = refused }
        return models
    }

    /// Under `turn`: serves these from now on.
    /// - Returns: those whose name stands for other weights.
    private func serve(_ models: [ServedModel]) -> [String] {
        guard let served else { return [] }
        let (accepted, refused) = served.catalog.replace(by: models)
        served.store?.add(identities: ModelLoader.identities(accepted))
        served.scheduler.serve(accepted)
        return refused
    }

    private func note(_ name: String, _ reason: String?) {
        lock.withLock {
            unloaded.remove(name)
            reasons[name] = reason
        }
    }

    private var names: String { served?.catalog.models.map(\.id).joined(separator: ", ") ?? "" }

    private static func name(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

    /// Runs `body` under `turn` on a thread of its own, for it may take seconds.
    private func offTheLoop(
        _ body: @escaping @Sendable () throws(ModelRepositoryError) -> Void
    ) async throws(ModelRepositoryError) {
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<ModelRepositoryError?, Never>) in
            let hasStarted = Thread.detach { [turn] in
                continuation.resume(
                    returning: turn.withLock {
                        do throws(ModelRepositoryError) {
                            try body()
                            return nil
                        } catch {
                            return error
                        }
                    })
            }
            if !hasStarted { continuation.resume(returning: .noThread) }
        }
        if let result { throw result }
    }
}
