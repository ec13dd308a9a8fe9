import ArgumentParser
import Sessions

/// Where sessions are kept, and for how long.
struct SessionOptions: ParsableArguments {
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
}

/// The same, with defaults.
struct SessionSettings {
    /// Bytes.
    let memory: Int
    /// Seconds; infinite for no limit.
    let idle: Double
    /// Nil where sessions live in memory only.
    let folder: String?
    /// Bytes; nil for no limit.
    let limit: Int?
    let durability: Durability
    let flushInterval: Duration

    init(_ options: SessionOptions, _ reader: SettingReader) throws(ValidationError) {
        memory = try reader.size(options.sessionMemory, "session-memory") ?? 1 << 30
        let bound = try reader.bound(options.sessionIdle, "session-idle", "a time such as 1h") { text in
            SettingReader.duration(text).flatMap { $0 > .zero ? $0 / .seconds(1) : nil }
        }
        idle = (bound ?? .of(3600)).value ?? .infinity
        folder = reader.path(options.stateDir, "state-dir")
        limit = try reader.size(reader.path(options.stateLimit, "state-limit"), "state-limit")
        let durability = try reader.value(
            options.durability, "durability", "none, async or sync", Durability.init(rawValue:))
        self.durability = durability ?? (folder == nil ? .none : .async)
        flushInterval = try reader.time(options.flushInterval, "flush-interval") ?? .milliseconds(200)
        guard folder != nil || self.durability == .none && limit == nil else {
            throw ValidationError("--durability and --state-limit need a --state-dir.")
        }
    }
}
