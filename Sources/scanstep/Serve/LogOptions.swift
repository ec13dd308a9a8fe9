import ArgumentParser
import Logging

/// What is written down.
struct LogOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The least severe messages to log: trace, debug, info, notice, warning, error or critical (default: \
            info).
            """, valueName: "level"))
    var logLevel: String?

    @Option(
        help: ArgumentHelp(
            """
            How messages are written to standard error: as text, or one JSON object a line. With json the lines \
            on standard output that say where the server listens are JSON objects as well, with the place as \
            "address" (default: text).
            """, valueName: "text|json"))
    var logFormat: String?

    @Option(
        help: ArgumentHelp(
            """
            Where to write one line of JSON for each request: a file, which SIGHUP opens anew for log rotation, \
            stderr, or none (default: none).
            """, valueName: "file|stderr|none"))
    var accessLog: String?
}

/// The same, with defaults.
struct LogSettings {
    enum Format: String { case text, json }
    enum Access: Equatable {
        case none, standardError
        case file(String)
    }

    let level: Logger.Level
    let format: Format
    let access: Access

    init(_ options: LogOptions, _ reader: SettingReader) throws(ValidationError) {
        level =
            try reader.value(options.logLevel, "log-level", "a level such as info") { Logger.Level(rawValue: $0) }
            ?? .info
        format = try reader.value(options.logFormat, "log-format", "text or json", Format.init(rawValue:)) ?? .text
        switch try reader.path(options.accessLog, "access-log") {
        case nil, "none": access = .none
        case "stderr": access = .standardError
        case let path?: access = .file(path)
        }
    }

    /// The program's log.
    func logger() -> Logger {
        let format = format
        var log = Logger(label: "scanstep") { label in
            format == .text ? StreamLogHandler.standardError(label: label) as any LogHandler : JSONLogHandler()
        }
        log.logLevel = level
        return log
    }
}
