import ArgumentParser
import Configuration
import FoundationEssentials
import Kernels
import Logging
import Sessions

/// What `serve` was told, by options over environment variables over defaults.
struct Settings {
    var models: String
    var host: String
    var port: Int
    var loops: Int
    /// nil for what the file suggests.
    var weights: WeightType?
    var scan: ScanMode
    var threads: Int
    var maxTick: Duration
    /// Bytes.
    var sessionMemory: Int
    /// Seconds; infinite for no limit.
    var sessionIdle: Double
    /// nil where sessions live in memory only.
    var stateDir: String?
    /// Bytes; nil for no limit.
    var stateLimit: Int?
    var durability: Durability
    var flushInterval: Duration
    /// Bytes.
    var maxBody: Int
    var drainTimeout: Duration
    var logLevel: Logger.Level
    /// Environment variables that look like settings and are none, sorted.
    var unknownVariables: [String]

    init(_ options: Serve) throws {
        let environment = ConfigReader(provider: EnvironmentVariablesProvider()).scoped(to: "scanstep")
        func text(_ option: String?, _ name: String, _ otherwise: String?) throws -> String {
            let key = ConfigKey([name.split(separator: "-").joined(separator: "_")])
            guard let value = option ?? environment.string(forKey: key) ?? otherwise else {
                throw ValidationError("--\(name) is missing.")
            }
            return value
        }
        func parsed<T>(_ text: String, _ name: String, _ what: String, _ parse: (String) -> T?) throws -> T {
            guard let value = parse(text) else { throw ValidationError("--\(name) must be \(what), not \"\(text)\".") }
            return value
        }
        func number(_ option: Int?, _ name: String, _ otherwise: Int, _ range: ClosedRange<Int>) throws -> Int {
            let text = try text(option.map(String.init), name, String(otherwise))
            return try parsed(text, name, "a whole number from \(range.lowerBound) to \(range.upperBound)") {
                Int($0).flatMap { range.contains($0) ? $0 : nil }
            }
        }
        models = try text(options.models, "models", nil)
        host = try text(options.host, "host", "127.0.0.1")
        port = try number(options.port, "port", 8080, 0...65_535)
        loops = try number(options.loops, "loops", 1, 1...256)
        weights = try parsed(
            try text(options.weights, "weights", "auto"), "weights", WeightChoice.names, WeightChoice.init(argument:)
        ).type
        scan = try parsed(try text(options.scan, "scan", "exact"), "scan", "exact or associative") {
            ScanMode(rawValue: $0)
        }
        threads = try number(options.threads, "threads", Self.defaultThreads, Self.threads)
        maxTick = try parsed(
            try text(options.maxTick, "max-tick", "2ms"), "max-tick", "a time such as 2ms", Self.duration)
        let size = "a size such as 512MiB"
        sessionMemory = try parsed(
            try text(options.sessionMemory, "session-memory", "1GiB"), "session-memory", size, Self.bytes)
        sessionIdle = try parsed(
            try text(options.sessionIdle, "session-idle", "1h"), "session-idle", "a time such as 1h, or none"
        ) { text in
            if text == "none" { return .infinity }
            return Self.duration(text).flatMap { $0 > .zero ? $0 / .seconds(1) : nil }
        }
        let folder = try text(options.stateDir, "state-dir", "")
        stateDir = folder.isEmpty ? nil : folder
        let limit = try text(options.stateLimit, "state-limit", "")
        stateLimit = limit.isEmpty ? nil : try parsed(limit, "state-limit", size, Self.bytes)
        durability = try parsed(
            try text(options.durability, "durability", folder.isEmpty ? "none" : "async"), "durability",
            "none, async or sync", Durability.init(rawValue:))
        flushInterval = try parsed(
            try text(options.flushInterval, "flush-interval", "200ms"), "flush-interval", "a time such as 200ms"
        ) { Self.duration($0).flatMap { $0 > .zero ? $0 : nil } }
        guard !folder.isEmpty || durability == .none && limit.isEmpty else {
            throw ValidationError("--durability and --state-limit need a --state-dir.")
        }
        maxBody = try parsed(try text(options.maxBody, "max-body", "16MiB"), "max-body", size, Self.bytes)
        drainTimeout = try parsed(
            try text(options.drainTimeout, "drain-timeout", "30s"), "drain-timeout", "a time such as 30s", Self.duration
        )
        logLevel = try parsed(try text(options.logLevel, "log-level", "info"), "log-level", "a level such as info") {
            Logger.Level(rawValue: $0)
        }
        unknownVariables = Self.unknownVariables()
    }

    /// Threads that may compute; one per core unless told.
    static let threads = 1...1024
    static var defaultThreads: Int { ProcessInfo.processInfo.activeProcessorCount }

    /// Names in the environment that begin like a setting's, without those of the build and those that Kubernetes makes
    /// for a service called scanstep.
    private static func unknownVariables() -> [String] {
        let settings = [
            "MODELS", "HOST", "PORT", "LOOPS", "WEIGHTS", "SCAN", "THREADS", "MAX_TICK", "SESSION_MEMORY",
            "SESSION_IDLE", "STATE_DIR", "STATE_LIMIT", "DURABILITY", "FLUSH_INTERVAL", "MAX_BODY", "DRAIN_TIMEOUT",
            "LOG_LEVEL",
        ]
        let build = ["MARCH", "STRICT"]
        return ProcessInfo.processInfo.environment.keys.filter { name in
            guard name.hasPrefix("SCANSTEP_") else { return false }
            let rest = name.dropFirst("SCANSTEP_".count)
            return !(settings + build).contains(String(rest)) && !rest.hasPrefix("SERVICE_") && !rest.hasPrefix("PORT_")
        }.sorted()
    }

    /// A whole number of bytes with an optional unit B, KiB, MiB, GiB or TiB.
    static func bytes(_ text: String) -> Int? {
        let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0), ("", 0)]
        guard let (unit, shift) = units.first(where: { text.hasSuffix($0.0) }),
            let number = Int(text.dropLast(unit.count)), number > 0, number <= Int.max >> shift
        else { return nil }
        return number << shift
    }

    /// A whole number of a unit, at most a million and a year: ms, s, m or h.
    static func duration(_ text: String) -> Duration? {
        let units: [(String, Int)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
        guard let (unit, factor) = units.first(where: { text.hasSuffix($0.0) }),
            let number = Int(text.dropLast(unit.count)), number >= 0, number <= min(1_000_000, 31_536_000_000 / factor)
        else { return nil }
        return .milliseconds(number * factor)
    }
}
