import API
import ArgumentParser
import EventLoop
import Glibc
import HTTP
import Inference
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

            SIGTERM ends the server in order, a second one at once. SIGHUP has it read API keys, certificates and the \
            folder of models again.
            """)

    @OptionGroup(title: "Models") var models: ModelOptions
    @OptionGroup(title: "Sessions") var sessions: SessionOptions
    @OptionGroup(title: "Network") var network: NetworkOptions
    @OptionGroup(title: "Limits") var limits: LimitOptions
    @OptionGroup(title: "Logs") var logs: LogOptions

    func run() throws {
        let started = ContinuousClock.now
        let settings = try Settings(self)
        try requireProcessor()
        let log = settings.logs.logger()
        for name in settings.unknownVariables { log.warning("\(name) is not a setting of this server and is ignored") }
        // Before any thread is started.
        let signals = Signals()
        raiseDescriptorLimit(for: settings.limits.http.connections, log)
        let front = try Front(settings, log)
        let ports = try front.listen()
        if !front.doors.areInherited { front.server.accept() }
        let back: Back
        do throws(Failure) {
            back = try Back(settings, log)
        } catch {
            front.abandon()
            throw error
        }
        // Nothing fails from here on.
        signals.queue()
        front.gate.open(back.service)
        if front.doors.areInherited { front.server.accept() }

        let milliseconds = ((ContinuousClock.now - started) / .microseconds(100)).rounded() / 10
        let names = back.service.models.map { $0.id }.joined(separator: ", ")
        log.info("ready in \(milliseconds) ms", metadata: ["models": "\(names)"])
        for line in front.doors.lines(ports: ports, settings.logs.format) { print(line) }
        fflush(nil)

        var name = ""
        waiting: while true {
            switch signals.next() {
            case .reload:
                front.reload()
                back.repository.reload()
            case .stop(let signal):
                name = signal
                break waiting
            }
        }
        log.info("draining", metadata: ["signal": "\(name)"])
        let clean = front.server.drain(within: settings.limits.drainTimeout)
        let (count, unsaved) = back.stop(abandoning: !clean)
        front.accessLog?.flush()
        log.info("stopped", metadata: ["sessions": "\(count)", "cut_off": "\(!clean)"])
        if unsaved > 0 {
            throw Failure("\(unsaved) of \(count) sessions could not be written to disk; their last steps are lost")
        }
    }

    /// Connections are descriptors, of which a process has few unless it asks for more.
    private func raiseDescriptorLimit(for connections: Int, _ log: Logger) {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        let wanted = rlim_t(connections + 1024)
        if limit.rlim_cur < wanted {
            limit.rlim_cur = min(wanted, limit.rlim_max)
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        if limit.rlim_cur < wanted {
            log.warning("no more than \(limit.rlim_cur) descriptors may be open, too few for --max-connections")
        }
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
