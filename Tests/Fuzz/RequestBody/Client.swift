import Glibc

/// A client that asks one thing after the other on one connection to a loopback port.
final class Client {
    struct Reply {
        var status = 0
        var type = ""
        var body: [UInt8] = []
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    private let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    private var buffer: [UInt8] = []

    init(port: Int) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let code = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe connect(
                descriptor, UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self),
                socklen_t(MemoryLayout<sockaddr_in>.size))
        }
        guard code == 0 else { fatalError("cannot connect to port \(port)") }
        var one: Int32 = 1
        unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
    }

    /// What the server replies to one request.
    func ask(_ method: String, _ path: String, _ body: [UInt8] = []) -> Reply {
        let head = """
            \(method) \(path) HTTP/1.1\r\nHost: a\r\nX-Request-Timeout-Ms: 200\r\n\
            Content-Length: \(body.count)\r\n\r\n
            """
        send(Array(head.utf8) + body)
        var reply = Reply()
        reply.status = Int(line().split(separator: " ")[1])!
        var length: Int?
        while case let field = line(), !field.isEmpty {
            let colon = field.firstIndex(of: ":")!
            let value = String(field[field.index(colon, offsetBy: 2)...])
            switch field[..<colon].lowercased() {
            case "content-length": length = Int(value)!
            case "content-type": reply.type = value
            default: break
            }
        }
        if let length {
            reply.body = take(length)
        } else if reply.status != 204 {
            while case let size = Int(line(), radix: 16)!, size > 0 { reply.body += take(size + 2).dropLast(2) }
            _ = line()
        }
        return reply
    }

    private func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { fatalError("the server has closed the connection") }
            sent += count
        }
    }

    private func more() {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        var count = -1
        // libFuzzer's clock interrupts.
        repeat { count = unsafe recv(descriptor, &piece, piece.count, 0) } while count < 0 && errno == EINTR
        guard count > 0 else { fatalError("the server has closed the connection") }
        buffer += piece[..<count]
    }

    private func take(_ count: Int) -> [UInt8] {
        while buffer.count < count { more() }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    private func line() -> String {
        while true {
            if let end = buffer.firstIndex(of: 10) { return String(decoding: take(end + 1).dropLast(2), as: UTF8.self) }
            more()
        }
    }
}
