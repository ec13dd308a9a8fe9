import Glibc

/// A listening TCP socket of one loop; accepted sockets may go to others.
///
/// `@unchecked Sendable`: all but `port` is used on the loop's thread only, which is checked.
public final class Listener: @unchecked Sendable {
    /// The port that clients connect to; where port 0 was asked for, the one that the kernel chose.
    public let port: Int
    private let loop: EventLoop
    private let registration: Registration
    private var isAttached = false

    /// Listens on `host`, an IPv4 or IPv6 literal or a name, and `port` (0 takes a free one).
    /// - Parameter backlog: how many connections the kernel keeps waiting for `accept`.
    /// - Throws: when the name is unknown, or the address is taken or not ours.
    public static func bind(
        host: String, port: Int, backlog: Int = 1024, on loop: EventLoop
    ) throws(SystemError) -> Listener {
        guard (0...65535).contains(port) else {
            throw SystemError(call: "bind", code: EINVAL, reason: "port \(port) is not in 0...65535")
        }
        let descriptor = try Syscall.listen(host: host, port: port, backlog: backlog)
        let registration = Registration(owning: descriptor, loop: loop)
        return Listener(registration, port: try Syscall.localPort(descriptor), loop: loop)
    }

    private init(_ registration: Registration, port: Int, loop: EventLoop) {
        self.registration = registration
        self.port = port
        self.loop = loop
    }

    /// The next connection, to be attached and used on `choose()`'s loop; nil once the listener is closed.
    ///
    /// Where the process or the machine is out of descriptors or memory the connection stays in the kernel's queue, and
    /// the next attempt is made 50 ms later rather than at once.
    public func accept(for choose: () -> EventLoop) async throws(SystemError) -> Socket? {
        loop.preconditionCurrent()
        if !isAttached {
            isAttached = true
            if registration.isOpen { try loop.register(registration) }
        }
        while registration.isOpen {
            switch Syscall.accept(registration.descriptor) {
            case .done(let descriptor):
                Syscall.tune(Int32(descriptor))
                return Socket(owning: Int32(descriptor), loop: choose())
            case .wouldBlock:
                _ = await registration.reader.wait(on: loop, until: .never)
            case .failed(EMFILE), .failed(ENFILE), .failed(ENOBUFS), .failed(ENOMEM):
                await loop.sleep(for: .milliseconds(50))
            case .failed(EINVAL), .failed(ENOTSOCK), .failed(EOPNOTSUPP):
                return nil
            case .failed:
                // The connection itself failed before it was taken (accept(2)); the next one need not.
                continue
            }
        }
        return nil
    }

    /// Stops listening; connections not yet accepted are refused. On the loop only.
    public func close() {
        loop.preconditionCurrent()
        registration.close()
    }
}
