import EventLoop

/// How the end of a reply's content is marked (RFC 9112 §6.3).
enum ReplyFraming {
    /// By the status or the method: there is no content.
    case none
    case length(Int)
    case chunked
    /// By the end of the connection; for HTTP/1.0 only.
    case close
}

/// Writes reply heads. It keeps the lines that are the same for every reply of a second.
struct ResponseEncoder {
    private var second = Int.min
    private var common: [UInt8] = []

    /// Appends a reply's head to `bytes`.
    mutating func append(
        _ response: Response, framing: ReplyFraming, keepsAlive: Bool, head: RequestHead?,
        identifier: RequestIdentifier, to bytes: inout [UInt8]
    ) {
        bytes.append("HTTP/1.1 ")
        bytes.append(decimal: response.status.code)
        bytes.append(.space)
        bytes.append(response.status.reason)
        bytes.append("\r\n")
        let fields = response.fields
        for field in fields.entries where !Self.isOurs(fields.bytes, field.name) {
            bytes.append(contentsOf: fields.bytes[field.name])
            bytes.append(": ")
            bytes.append(contentsOf: fields.bytes[field.value])
            bytes.append("\r\n")
        }
        switch framing {
        case .none, .close: break
        case .length(let count):
            bytes.append("content-length: ")
            bytes.append(decimal: count)
            bytes.append("\r\n")
        case .chunked: bytes.append("transfer-encoding: chunked\r\n")
        }
        if !keepsAlive {
            bytes.append("connection: close\r\n")
        } else if head?.minorVersion == 0 {
            bytes.append("connection: keep-alive\r\n")
        }
        appendCommon(to: &bytes)
        bytes.append("x-request-id: ")
        identifier.append(to: &bytes, head)
        bytes.append("\r\n\r\n")
    }

    private mutating func appendCommon(to bytes: inout [UInt8]) {
        let now = Clock.wallSeconds()
        if now != second {
            second = now
            common = Array("date: \(HTTPDate.format(now))\r\nserver: scanstep\r\n".utf8)
        }
        bytes.append(contentsOf: common)
    }

    /// Fields that only the connection can know.
    private static func isOurs(_ bytes: [UInt8], _ name: Range<Int>) -> Bool {
        switch name.count {
        case 4: bytes.spells("date", in: name)
        case 6: bytes.spells("server", in: name)
        case 10: bytes.spells("connection", in: name)
        case 12: bytes.spells("x-request-id", in: name)
        case 14: bytes.spells("content-length", in: name)
        case 17: bytes.spells("transfer-encoding", in: name)
        default: false
        }
    }
}
