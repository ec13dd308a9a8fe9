import API
import ArgumentParser
import EventLoop
import Glibc
import HTTP
import Inference
import Kernels
import Logging
import Recurrent
import Sessions

/// `scanstep serve`
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve the models of a folder.",
        discussion: """
            Every option may also be given as an environment variable: SCANSTEP_ and its name in capitals, with _ for -, \
            as in SCANSTEP_SESSION_MEMORY=4GiB. Options given here win.
            """)

    @Option(help: "Folder of models; each folder in it with a model.safetensors is one.")
    var models: String?

    @Option(help: "Address to listen on (default: 127.0.0.1).")
    var host: String?

    @Option(help: "Port to listen on; 0 takes a free one (default: 8080).")
    var port: Int?

    @Option(help: "Threads that serve connections (default: 1).")
    var loops: Int?

    @Option(help: "How weights are kept: f32, f16, int8, or auto for float16 where the file has it (default: auto).")
    var weights: String?

    @Option(help: "How time steps of long inputs are combined: exact or associative (default: exact).")
    var scan: String?

    @Option(help: "Threads that compute (default: one per core).")
    var threads: Int?

    @Option(
        help: """
            Computing that long inputs may add to a batch while somebody steps, as in 2ms or 10ms; ten times that when \
            nobody has for a second (default: 2ms).
            """)
    var maxTick: String?

    @Option(help: "Memory for session states, as in 512MiB or 4GiB (default: 1GiB).")
    var sessionMemory: String?

    @Option(
        help: "How long sessions that do not say so stay without being used, as in 30s or 12h, or none (default: 1h).")
    var sessionIdle: String?

    @Option(help: "Folder that keeps sessions on disk; without it they live in memory only.")
    var stateDir: String?

    @Option(help: "Most that the database in that folder may take, as in 20GiB (default: what the disk has).")
    var stateLimit: String?

    @Option(
        help: """
            When moves of sessions that do not say so are on disk: sync, before they are answered; async, a moment later; \
            none, when the session makes room for others and when the server ends (default: async with --state-dir).
            """)
    var durability: String?

    @Option(help: "How far async sessions may be behind, as in 200ms (default: 200ms).")
    var flushInterval: String?

    @Option(help: "Largest request body (default: 16MiB).")
    var maxBody: String?

    @Option(help: "How long running requests may go on after SIGTERM, as in 30s or 500ms (default: 30s).")
    var drainTimeout: String?

    @Option(help: "Least severe messages to log: trace, debug, info, notice, warning, error, critical (default: info).")
    var logLevel: String?

    func run() throws {
        let started = ContinuousClock.now
        let settings = try Settings(self)
        try requireProcessor()
        var log = Logger(label: "scanstep", factory: { StreamLogHandler.standardError(label: $0) })
        log.logLevel = settings.logLevel
        for name in settings.unknownVariables { log.warning("\(name) is not a setting of this server and is ignored") }
        let loaded = try load(settings, log)
        // Not before the models are loaded, which Ctrl-C may cut short; before any thread is started.
        let signals = StopSignals.block()
        let sessions = try table(settings, loaded, log)
        var works = Scheduler.Limits()
        works.maxTick = settings.maxTick
        works.threads = settings.threads
        let scheduler = Scheduler(
            loaded, sessions: sessions, limits: works, clock: { MonotonicInstant.now.nanoseconds },
            deferring: { wakeUp in
                let afterthought = Afterthought(wakeUp)
                return { afterthought.request() }
            })
        let service = Service(
            models: loaded, sessions: sessions, scheduler: scheduler,
            policy: SessionPolicy(idle: settings.sessionIdle, durability: settings.durability),
            clock: secondsSince1970)
        var limits = HTTPLimits()
        limits.bodyBytes = settings.maxBody
        let observer = HTTPObserver(
            failed: { [log] error, context in
                log.error("request failed", metadata: ["error": "\(error)", "request_id": "\(context.requestID)"])
            },
            replied: { [log] head, status, duration in
                log.debug(
                    "\(head?.method.rawValue ?? "-") \(head?.target ?? "-") \(status.code)",
                    metadata: ["ms": "\(duration / .milliseconds(1))"])
            })
        let port: Int
        let server: HTTPServer
        do {
            server = try HTTPServer(
                host: settings.host, port: settings.port, loops: settings.loops, limits: limits,
                router: service.router(), observer: observer, errorResponder: Service.errorResponder)
            port = try server.start()
        } catch {
            scheduler.stop()
            sessions.store?.stop()
            throw Failure("cannot listen on \(settings.host):\(settings.port): \(error)")
        }
        let milliseconds = ((ContinuousClock.now - started) / .microseconds(100)).rounded() / 10
        log.info("ready in \(milliseconds) ms", metadata: ["models": "\(loaded.map { $0.id }.joined(separator: ", "))"])
        let address = settings.host.contains(":") ? "[\(settings.host)]" : settings.host
        print("scanstep: listening on http://\(address):\(port)")
        fflush(nil)

        let signal = signals.wait()
        log.info("draining", metadata: ["signal": "\(signal)"])
        let clean = server.drain(within: settings.drainTimeout)
        scheduler.stop(abandoning: !clean)
        let count = sessions.count
        sessions.store?.stop()
        log.info("stopped", metadata: ["sessions": "\(count)", "cut_off": "\(!clean)"])
    }

    /// The table of sessions, with those that are on disk.
    private func table(_ settings: Settings, _ models: [ServedModel], _ log: Logger) throws -> SessionTable {
        guard let folder = settings.stateDir else {
            return SessionTable(budget: settings.sessionMemory, clock: secondsSince1970)
        }
        do throws(StoreError) {
            var options = SessionStore.Options()
            (options.flushInterval, options.limit) = (settings.flushInterval, settings.stateLimit)
            options.report = { [log] error in
                if let error {
                    log.error("sessions cannot be kept on disk: \(error)")
                } else {
                    log.notice("sessions are kept on disk again")
                }
            }
            let fingerprints = Dictionary(uniqueKeysWithValues: models.map { ($0.id, $0.model.fingerprint) })
            let store = try SessionStore(
                folder: folder, fingerprints: fingerprints, options: options,
                clock: { MonotonicInstant.now.nanoseconds })
            let table = try SessionTable(budget: settings.sessionMemory, store: store, clock: secondsSince1970)
            log.info("sessions on disk", metadata: ["folder": "\(folder)", "sessions": "\(table.count)"])
            return table
        } catch {
            throw Failure("cannot use --state-dir \(folder): \(error)")
        }
    }

    /// Loads every model of the folder; those that cannot be served are named and left out.
    private func load(_ settings: Settings, _ log: Logger) throws -> [ServedModel] {
        let folder = settings.models
        guard let paths = ModelFolder.paths(in: folder) else { throw Failure("cannot read the folder \(folder)") }
        var loaded: [ServedModel] = []
        for path in paths {
            do throws(CheckpointError) {
                let started = ContinuousClock.now
                let folder = try ModelFolder(path: path, weights: settings.weights, scan: settings.scan)
                let model = ServedModel(folder, created: Int(secondsSince1970()))
                loaded.append(model)
                log.info(
                    "loaded \(model.id)",
                    metadata: [
                        "parameters": "\(model.model.parameters)", "weights": "\(model.model.weights.rawValue)",
                        "state_bytes": "\(model.model.state.bytes)",
                        "ms": "\(((ContinuousClock.now - started) / .microseconds(100)).rounded() / 10)",
                    ])
            } catch {
                log.error("model refused: \(error)", metadata: ["folder": "\(path)"])
            }
        }
        guard !loaded.isEmpty else { throw Failure("no model in \(folder) can be served") }
        return loaded
    }
}

/// Ends the program with exit status 1 and one line.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Seconds since 1970, UTC.
@Sendable func secondsSince1970() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
