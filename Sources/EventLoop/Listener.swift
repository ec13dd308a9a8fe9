import Glibc

/// A listening socket of one loop; accepted sockets may go to others.
///
/// `@unchecked Sendable`: all but `port` is used on the loop's thread only, which is checked.
public final class Listener: @unchecked Sendable {
    /// The port that clients connect to; where port 0 was asked for, the one that the kernel chose. 0 for a path.
    public let port: Int
    private let address: ListenAddress
    private let loop: EventLoop
    private let registration: Registration
    private var isAttached = false

    /// Listens at `address`.
    /// - Parameter backlog: how many connections the kernel keeps waiting for `accept`.
    /// - Throws: when the name is unknown, or the address is taken or not ours.
    public static func bind(
        to address: ListenAddress, backlog: Int = 4096, on loop: EventLoop
    ) throws(SystemError) -> Listener {
        let descriptor: Int32
        switch address {
        case .tcp(let host, let port):
            guard (0...65535).contains(port) else {
                throw SystemError(call: "bind", code: EINVAL, reason: "port \(port) is not in 0...65535")
            }
            descriptor = try Syscall.listen(host: host, port: port, backlog: backlog)
        case .unix(let path): descriptor = try Syscall.listen(path: path, backlog: backlog)
        case .inherited(let inherited):
            try Syscall.adopt(inherited)
            descriptor = inherited
        }
        let registration = Registration(owning: descriptor, loop: loop)
        return Listener(registration, address, port: try Syscall.localPort(descriptor), loop: loop)
    }

    private init(_ registration: Registration, _ address: ListenAddress, port: Int, loop: EventLoop) {
        (self.registration, self.address, self.port, self.loop) = (registration, address, port, loop)
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
        var peer = PeerAddress.none
        while registration.isOpen {
            switch Syscall.accept(registration.descriptor, from: &peer) {
            case .done(let descriptor):
                Syscall.tune(Int32(descriptor))
                return Socket(owning: Int32(descriptor), peer: peer, loop: choose())
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

    /// Stops listening; connections not yet accepted are refused, unless others hold the socket as well. On the loop
    /// only.
    public func close() {
        loop.preconditionCurrent()
        end()
    }

    /// As `close`, before the loop has started, on the thread that will start it.
    public func abandon() {
        precondition(!isAttached, "the loop has this listener already")
        end()
    }

    private func end() {
        guard registration.isOpen else { return }
        if case .unix(let path) = address { Syscall.unlink(path) }
        registration.close()
    }
}
