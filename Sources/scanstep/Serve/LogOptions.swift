import ArgumentParser
import Logging

/// What is written down.
struct LogOptions: ParsableArguments {
    @Option(help: "Least severe messages to log: trace, debug, info, notice, warning, error, critical (default: info).")
    var logLevel: String?

    @Option(help: "How messages are logged to standard error: text or json (default: text).")
    var logFormat: String?

    @Option(
        help: "A line of JSON for each request: to a file, which SIGHUP opens anew, stderr, or none (default: none).")
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
        switch reader.path(options.accessLog, "access-log") {
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
