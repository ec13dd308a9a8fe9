import Foundation
import Testing

/// A socket that listens on a free port of the loopback address, to be inherited by a server.
struct ListeningSocket {
    let handle: FileHandle
    let port: Int

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                #expect(unsafe bind(listener, $0, size) == 0 && listen(listener, 100) == 0)
                #expect(unsafe getsockname(listener, $0, &size) == 0)
            }
        }
        port = Int(in_port_t(bigEndian: address.sin_port))
        handle = FileHandle(fileDescriptor: listener, closeOnDealloc: true)
    }
}
