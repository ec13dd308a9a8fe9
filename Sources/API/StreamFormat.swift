import HTTP
import JSON

/// How events are framed in a streamed reply.
enum StreamFormat {
    /// A JSON object a line.
    case lines
    /// Server-sent events.
    case events

    /// What the client would rather have; lines where that is all the same to it.
    init(_ request: Request) {
        let wanted = Preference(request.head.fields.values(of: "accept"))
        let lines = max(wanted.quality(ofType: "application/x-ndjson"), wanted.quality(ofType: "application/json"))
        self = wanted.quality(ofType: "text/event-stream") > lines ? .events : .lines
    }

    /// An object as the client gets it.
    /// - Parameters:
    ///   - event: the kind of a server-sent event; nil for the usual one.
    ///   - step: of the session when it has come to this, by which a client can go on from there.
    func frame(_ json: JSONWriter, event: String? = nil, step: Int? = nil) -> [UInt8] {
        if self == .lines { return json.bytes + Array("\n".utf8) }
        var bytes: [UInt8] = []
        if let event { bytes += Array("event: \(event)\n".utf8) }
        if let step { bytes += Array("id: \(step)\n".utf8) }
        return bytes + Array("data: ".utf8) + json.bytes + Array("\n\n".utf8)
    }

    /// What tells a client that the server is still there.
    var keepAlive: [UInt8] { Array((self == .lines ? "\n" : ":\n\n").utf8) }
}

extension Fields {
    /// Whether a stream is asked for: by the field `stream` or, where the body has none, by an `Accept` that would rather
    /// have one of `types` than JSON.
    func streams(
        _ request: Request, as types: [String] = ["text/event-stream", "application/x-ndjson"]
    ) throws(Problem) -> Bool {
        if self["stream"] != nil { return try bool("stream") }
        guard request.head.fields.contains("accept") else { return false }
        let wanted = Preference(request.head.fields.values(of: "accept"))
        let json = wanted.quality(ofType: "application/json")
        return types.contains { wanted.quality(ofType: $0) > json }
    }
}

extension Response {
    /// A reply of events that are made while it is sent.
    init(_ format: StreamFormat, _ produce: @escaping @Sendable (consuming BodyWriter) async throws -> Void) {
        let type = format == .lines ? "application/x-ndjson" : "text/event-stream"
        self.init(fields: ["content-type": type, "cache-control": "no-store"], body: .stream(produce))
    }
}
