import JSON

/// A request to one server: the path begins with a slash, header fields are sent as they are.
struct HTTPRequest {
    var method: String
    var path: String
    var body: [UInt8]?
    var headers: [(String, String)]

    init(_ method: String, _ path: String, body: [UInt8]? = nil, headers: [(String, String)] = []) {
        self.method = method
        self.path = path
        self.body = body
        self.headers = headers
    }

    /// With a JSON text as the body.
    init(_ method: String, _ path: String, json: String, headers: [(String, String)] = []) {
        self.init(method, path, body: Array(json.utf8), headers: headers)
    }
}

/// What came back.
struct HTTPReply: Sendable {
    /// The status of the final reply; interim ones are skipped.
    var status = 0
    /// By lower-case name; values of a repeated name are joined with a comma.
    var headers: [String: String] = [:]
    /// Empty when it was streamed.
    var body: [UInt8] = []
    /// How many connections had to be opened for it: 0 on one that was kept.
    var newConnections = 0
    /// Whether the receiver of a stream ended it before the server did.
    var isAborted = false

    var text: String { String(decoding: body, as: UTF8.self) }

    var json: JSONValue {
        get throws { try JSONDocument(parsing: body).root }
    }
}

/// Why there is no reply: libcurl's words.
struct HTTPClientError: Error, CustomStringConvertible {
    let description: String
}
