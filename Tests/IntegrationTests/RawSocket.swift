import Foundation

/// A blocking TCP connection to the loopback address, for bytes that no proper client would send.
final class RawSocket {
    struct SocketError: Error, CustomStringConvertible {
        let description: String

        init(_ call: String) { description = unsafe "\(call): \(String(cString: strerror(errno)))" }
    }

    private var descriptor: Int32
    /// What has been received and not been returned yet.
    private var received: [UInt8] = []

    /// Connects; a read that waits longer than `readSeconds` is an error.
    init(port: Int, readSeconds: Int = 20) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw SocketError("socket") }
        var limit = timeval(tv_sec: readSeconds, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var yes: Int32 = 1
        unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))

        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe connect(descriptor, $0, size) }
        }
        guard status == 0 else {
            let error = SocketError("connect")
            close()
            throw error
        }
    }

    deinit { close() }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { buffer in
                unsafe Foundation.send(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SocketError("send") }
            rest = rest.dropFirst(count)
        }
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    /// Says that nothing more will be sent; reading goes on.
    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Everything until the server closes its side. A reset counts as a close.
    func readUntilClose() throws -> String {
        while try receive() {}
        return take(received.count)
    }

    /// Everything up to and including `text`; what follows stays for the next read. An early close is an error.
    func read(until text: String) throws -> String {
        let end = Array(text.utf8)
        var searched = 0
        while true {
            if received.count >= end.count {
                for start in searched...(received.count - end.count)
                where received[start..<(start + end.count)].elementsEqual(end) {
                    return take(start + end.count)
                }
                searched = received.count - end.count + 1
            }
            guard try receive() else {
                errno = ECONNRESET
                throw SocketError("read until \(text.debugDescription) after \(take(received.count).debugDescription)")
            }
        }
    }

    /// Exactly `count` bytes. An early close is an error.
    func read(count: Int) throws -> [UInt8] {
        while received.count < count {
            guard try receive() else {
                errno = ECONNRESET
                throw SocketError("read \(count) bytes")
            }
        }
        defer { received.removeFirst(count) }
        return Array(received[..<count])
    }

    func close() {
        guard descriptor >= 0 else { return }
        Foundation.close(descriptor)
        descriptor = -1
    }

    /// Waits for more; false when the server has closed.
    private func receive() throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            if count > 0 { received += buffer[..<count] }
            if count >= 0 { return count > 0 }
            if errno == ECONNRESET { return false }
            guard errno == EINTR else { throw SocketError("recv") }
        }
    }

    private func take(_ count: Int) -> String {
        defer { received.removeFirst(count) }
        return String(decoding: received[..<count], as: UTF8.self)
    }
}
