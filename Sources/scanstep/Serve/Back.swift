import API
import EventLoop
import FoundationEssentials
import Inference
import Logging
import Recurrent
import Sessions

/// What is behind the network: models, sessions, and the scheduler that brings them together.
final class Back {
    let service: Service
    let repository: Repository

    init(_ settings: Settings, _ log: Logger) throws(Failure) {
        repository = Repository(settings.models, log)
        let models = try repository.read()
        let sessions = try Self.table(settings.sessions, models, log)
        if let largest = models.max(by: { $0.model.state.bytes < $1.model.state.bytes }) {
            let needed = largest.model.state.bytes + SessionTable.overheadBytes
            if settings.sessions.memory < needed {
                log.warning(
                    "--session-memory is \(settings.sessions.memory) bytes; a session of \(largest.id) takes \(needed)")
            }
        }
        var limits = Scheduler.Limits()
        limits.maxTick = settings.models.maxTick
        limits.threads = settings.models.threads
        if let time = settings.models.maxQueueTime { limits.queueTime = time }
        let scheduler = Scheduler(
            models, sessions: sessions, limits: limits, clock: { MonotonicInstant.now.nanoseconds },
            deferring: { wakeUp in
                let afterthought = Afterthought(wakeUp)
                return { afterthought.request() }
            })
        service = Service(
            catalog: Catalog(models), sessions: sessions, scheduler: scheduler,
            policy: SessionPolicy(idle: settings.sessions.idle, durability: settings.sessions.durability),
            repository: repository, clock: secondsSince1970)
        repository.begin(.init(catalog: service.catalog, scheduler: scheduler, store: sessions.store))
    }

    /// The table of sessions, with those that are on disk.
    private static func table(
        _ settings: SessionSettings, _ models: [ServedModel], _ log: Logger
    ) throws(Failure) -> SessionTable {
        guard let folder = settings.folder else {
            return SessionTable(budget: settings.memory, clock: secondsSince1970, steady: steadySeconds)
        }
        do throws(StoreError) {
            var options = SessionStore.Options()
            (options.flushInterval, options.limit) = (settings.flushInterval, settings.limit)
            options.report = { [log] error in
                if let error {
                    log.error("sessions cannot be kept on disk: \(error)")
                } else {
                    log.notice("sessions are kept on disk again")
                }
            }
            options.notice = { [log] in log.warning("\($0)") }
            options.boot = bootName()
            let store = try SessionStore(
                folder: folder, identities: ModelLoader.identities(models), options: options,
                clock: { MonotonicInstant.now.nanoseconds })
            let table = try SessionTable(
                budget: settings.memory, store: store, clock: secondsSince1970, steady: steadySeconds)
            log.info("sessions on disk", metadata: ["folder": "\(folder)", "sessions": "\(table.count)"])
            return table
        } catch {
            throw Failure("cannot use --state-dir \(folder): \(error)")
        }
    }

    /// Ends all work and writes what is to be kept.
    /// - Returns: how many sessions there were, and how many of them the disk did not take.
    func stop(abandoning: Bool) -> (sessions: Int, unsaved: Int) {
        service.scheduler.stop(abandoning: abandoning)
        let count = service.sessions.count
        return (count, service.sessions.store?.stop() ?? 0)
    }
}

/// What names this start of the machine; empty where the system does not tell.
private func bootName() -> String {
    guard let bytes = FileManager.default.contents(atPath: "/proc/sys/kernel/random/boot_id") else { return "" }
    return String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
}

/// Seconds that only pass, whatever the wall clock is set to.
@Sendable private func steadySeconds() -> Double { Double(MonotonicInstant.now.nanoseconds) / 1e9 }
