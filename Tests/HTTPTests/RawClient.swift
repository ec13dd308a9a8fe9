import Glibc

/// A blocking client that sends exactly the bytes it is given.
final class RawClient {
    struct Reply {
        let status: Int
        /// Lower-case names; of several values the last.
        let fields: [String: String]
        let body: [UInt8]
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    struct Ended: Error {}

    private let descriptor: Int32
    private var buffer: [UInt8] = []

    /// Connects to a loopback port.
    init(_ port: Int, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBuffer { unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4) }
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        let length = socklen_t(MemoryLayout<timeval>.size)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, length)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, length)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe connect(
                descriptor, UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self),
                socklen_t(MemoryLayout<sockaddr_in>.size))
        }
        if result != 0 { throw Ended() }
    }

    deinit { close(descriptor) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { throw Ended() }
            sent += count
        }
    }

    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Makes the close a reset.
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    /// Whether something has come that was not read.
    var hasInput: Bool {
        var byte: UInt8 = 0
        return unsafe recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) >= 0
    }

    /// Reads once; false at the end.
    private func more() throws -> Bool {
        var piece = [UInt8](repeating: 0, count: 65536)
        let count = unsafe recv(descriptor, &piece, piece.count, 0)
        if count < 0 { throw Ended() }
        buffer += piece[..<count]
        return count > 0
    }

    func take(_ count: Int) throws -> [UInt8] {
        while buffer.count < count { if try !more() { throw Ended() } }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    func line() throws -> String {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let line = try take(end + 1)
                return String(decoding: line.dropLast(2), as: UTF8.self)
            }
            if try !more() { throw Ended() }
        }
    }

    func rest() throws -> [UInt8] {
        while try more() {}
        defer { buffer = [] }
        return buffer
    }

    var isAtEnd: Bool { (try? rest().isEmpty) ?? true }

    func head() throws -> (status: Int, fields: [String: String]) {
        let status = try line()
        var fields: [String: String] = [:]
        while case let field = try line(), !field.isEmpty {
            let colon = field.firstIndex(of: ":")!
            fields[field[..<colon].lowercased()] = String(field[field.index(colon, offsetBy: 2)...])
        }
        return (Int(status.split(separator: " ")[1])!, fields)
    }

    /// One piece of chunked content; empty is the last.
    func chunk() throws -> [UInt8] {
        let count = Int(try line(), radix: 16)!
        let data = try take(count)
        _ = try line()
        return data
    }

    func reply(toHead: Bool = false) throws -> Reply {
        let (status, fields) = try head()
        var body: [UInt8] = []
        if toHead || status == 204 || status == 304 || status == 100 {
        } else if let length = fields["content-length"] {
            body = try take(Int(length)!)
        } else if fields["transfer-encoding"] == "chunked" {
            while case let piece = try chunk(), !piece.isEmpty { body += piece }
        } else {
            body = try rest()
        }
        return Reply(status: status, fields: fields, body: body)
    }

    func get(_ path: String, _ fields: String = "") throws -> Reply {
        try send("GET \(path) HTTP/1.1\r\nHost: t\r\n\(fields)\r\n")
        return try reply()
    }
}
