import API
import JSON
import Logging

/// A message a line, as a JSON object, on standard error.
struct JSONLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var json = JSONWriter()
        json.beginObject()
        json.field("time", timestamp(secondsSince1970()))
        json.field("level", event.level.rawValue)
        json.field("message", event.message.description)
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { json.field(key, "\(value)") }
        json.endObject()
        json.newline()
        standardError.append(json.bytes)
    }
}

/// One for all threads: lines do not mix.
private let standardError = SharedLogFile()
