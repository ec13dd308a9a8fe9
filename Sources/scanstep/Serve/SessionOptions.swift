import ArgumentParser
import Sessions

/// Where sessions are kept, and for how long.
struct SessionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Memory for the states of sessions, as in 512MiB or 4GiB. When it is full, the sessions used least \
            recently move to --state-dir, or end where there is none. The name of a session on disk takes 256 bytes \
            of it; a session whose name would leave no room to work on the others is refused with 507 (default: \
            1GiB).
            """, valueName: "size"))
    var sessionMemory: String?

    @Option(
        help: ArgumentHelp(
            """
            How long a session may go unused before it ends, as in 30s or 12h, or none for no limit; a request can \
            say otherwise for its session with idle_seconds (default: 1h).
            """, valueName: "time"))
    var sessionIdle: String?

    @Option(
        help: ArgumentHelp(
            """
            A folder that keeps sessions on disk, so that they outlive the server and need not fit into memory; \
            it is made if it is missing. Without it sessions end with the server.
            """, valueName: "folder"))
    var stateDir: String?

    @Option(
        help: ArgumentHelp(
            """
            The most that the database in --state-dir and its write-ahead log may take together, as in 20GiB; a \
            quarter, at most 16MiB, is for the log, which may be longer while one batch is written. When the rest is \
            full, steps that need more are refused with 507 (default: all that the disk has).
            """, valueName: "size"))
    var stateLimit: String?

    @Option(
        help: ArgumentHelp(
            """
            What a crash may take of a session in --state-dir, where its request does not say: sync, nothing \
            that was answered, as each answer waits for the disk; async, the last --flush-interval; none, all \
            since the session was last moved to disk, which happens when memory is full and at an orderly end \
            (default: async with --state-dir).
            """, valueName: "none|async|sync"))
    var durability: String?

    @Option(
        help: ArgumentHelp(
            """
            How long a step of an async session may wait to be written to disk, and so how much of it a crash \
            can take. More means fewer and larger writes (default: 200ms).
            """, valueName: "time"))
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
        memory = try reader.size(options.sessionMemory, "session-memory", like: "1GiB") ?? 1 << 30
        let bound = try reader.bound(
            options.sessionIdle, "session-idle", SettingReader.times(like: "1h"),
            largest: SettingReader.largestDuration
        ) { text in
            SettingReader.duration(text).flatMap { $0 > .zero ? $0 / .seconds(1) : nil }
        }
        idle = (bound ?? .of(3600)).value ?? .infinity
        folder = try reader.path(options.stateDir, "state-dir")
        limit = try reader.size(options.stateLimit, "state-limit", like: "20GiB")
        let durability = try reader.value(
            options.durability, "durability", "none, async or sync", Durability.init(rawValue:))
        self.durability = durability ?? (folder == nil ? .none : .async)
        flushInterval = try reader.time(options.flushInterval, "flush-interval", like: "200ms") ?? .milliseconds(200)
        guard folder != nil || self.durability == .none && limit == nil else {
            throw ValidationError("--durability and --state-limit need a --state-dir.")
        }
    }
}
