import HTTP
import JSON

/// How events are framed in a streamed reply.
enum StreamFormat {
    /// A JSON object a line.
    case lines
    /// Server-sent events.
    case events

    /// What the client accepts: events if it names their media type, else lines.
    init(_ request: Request) {
        let accepted = request.head.fields.values(of: "accept").joined(separator: ",")
        self = accepted.lowercased().contains("text/event-stream") ? .events : .lines
    }

    var type: String { self == .lines ? "application/x-ndjson" : "text/event-stream" }

    func frame(_ json: JSONWriter, event: String?) -> [UInt8] {
        switch self {
        case .lines: json.bytes + Array("\n".utf8)
        case .events: Array((event.map { "event: \($0)\ndata: " } ?? "data: ").utf8) + json.bytes + Array("\n\n".utf8)
        }
    }
}
