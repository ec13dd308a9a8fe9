/// A connected, non-blocking stream socket of one loop.
///
/// Reading and writing follow one idiom: try the call; would-block means suspend the task until the kernel reports
/// readiness, and go again. At most one task reads and one writes at a time.
///
/// `@unchecked Sendable`: from `attach()` on, every member is used on the loop's thread only (checked there); before,
/// only by the one who made it.
public final class Socket: @unchecked Sendable {
    /// The loop on which the socket is used.
    public let loop: EventLoop
    /// Who is at the other end.
    public let peer: PeerAddress
    private let registration: Registration

    init(owning descriptor: Int32, peer: PeerAddress = .none, loop: EventLoop) {
        self.loop = loop
        self.peer = peer
        registration = Registration(owning: descriptor, loop: loop)
    }

    /// Begins to watch the socket; called once, on the loop, before the first read or write.
    public func attach() throws(SystemError) {
        try loop.register(registration)
    }

    /// Whether `close()` is still to come.
    public var isOpen: Bool { registration.isOpen }

    /// Whether the kernel reported the connection dead in both directions: reset, or closed by both sides. A peer that
    /// has merely finished sending is not gone.
    public var hungUp: Bool { registration.hungUp }

    /// Called on the loop, once, when the connection dies; nil takes it back.
    public var onHangUp: (() -> Void)? {
        get { registration.onHangUp }
        set { registration.onHangUp = newValue }
    }

    /// Called on the loop, once, when the peer says that it will send no more, which it may do long before it is gone.
    public var onPeerFinished: (() -> Void)? {
        get { registration.onPeerFinished }
        set { registration.onPeerFinished = newValue }
    }

    /// Whether the peer has said that it will send no more.
    public var peerFinished: Bool { registration.peerFinished }

    /// Hands `bytes` to the kernel when the loop has run what is ready, or earlier: in bursts with what other sockets
    /// have, so that a peer with many connections is woken once for all. What the kernel does not take then goes when it
    /// has room. `write` waits for that.
    public func writeSoon(_ bytes: [UInt8]) {
        loop.preconditionCurrent()
        registration.sendSoon(bytes)
    }

    /// How many bytes of `writeSoon` the kernel does not have yet.
    public var unsent: Int { registration.unsent.count }

    /// Appends what has arrived to `bytes`, waiting for the first of it.
    /// - Returns: how many bytes came, at most 64 KiB; 0 when the peer has finished sending.
    public func read(
        into bytes: inout [UInt8], until deadline: MonotonicInstant = .never
    ) async throws(SocketError) -> Int {
        loop.preconditionCurrent()
        while true {
            guard registration.isOpen else { throw .closed }
            if registration.canRead {
                switch Syscall.receive(registration.descriptor, into: &bytes, through: loop.scratch) {
                case .done(let count):
                    // A short read has emptied the kernel's queue (epoll(7)), so the next one may wait for an edge.
                    if count > 0, count < loop.scratch.size, !registration.peerFinished { registration.canRead = false }
                    return count
                case .wouldBlock: registration.canRead = false
                case .failed(let code): throw SocketError(code: code)
                }
            }
            switch await registration.reader.wait(on: loop, until: deadline) {
            case .ready: continue
            case .closed: throw .closed
            case .timedOut: throw .timedOut
            }
        }
    }

    /// Hands all of `bytes` to the kernel, after those of `writeSoon`, waiting for room as often as it takes.
    /// - Parameters:
    ///   - more: the next write continues the same message.
    ///   - patience: the longest time in which the peer takes nothing, then `timedOut`.
    public func write(
        _ bytes: [UInt8], more: Bool = false, patience: Duration? = nil
    ) async throws(SocketError) {
        loop.preconditionCurrent()
        var sent = 0
        registration.sendUnsent()
        while true {
            guard registration.isOpen else { throw .closed }
            if let failure = registration.failure { throw SocketError(code: failure) }
            if sent == bytes.count, registration.unsent.isEmpty { return }
            if registration.canWrite, registration.unsent.isEmpty {
                switch Syscall.send(registration.descriptor, bytes, from: sent, more: more) {
                case .done(let count):
                    sent += count
                    continue
                case .wouldBlock: registration.canWrite = false
                case .failed(let code): throw SocketError(code: code)
                }
            }
            // There is room again only when the peer has taken a good deal; until then the kernel tells of less.
            let held = patience == nil ? 0 : Syscall.held(registration.descriptor)
            let deadline = patience.map { MonotonicInstant.now + $0 } ?? .never
            switch await registration.writer.wait(on: loop, until: deadline) {
            case .ready: continue
            case .closed: throw .closed
            case .timedOut:
                guard registration.isOpen, Syscall.held(registration.descriptor) < held else { throw .timedOut }
            }
        }
    }

    /// Makes a reader see the end once it has read what arrived up to now, even one that waits already.
    public func finishReading() {
        loop.preconditionCurrent()
        guard registration.isOpen else { return }
        Syscall.shutdownReading(registration.descriptor)
        registration.peerFinished = true
        registration.canRead = true
        registration.reader.wake(.ready)
    }

    /// Tells the peer that nothing more will be sent; reading goes on.
    public func finishWriting() {
        loop.preconditionCurrent()
        if registration.isOpen { Syscall.shutdownWriting(registration.descriptor) }
    }

    /// Closes the socket; reads and writes under way throw `closed`. Later calls do nothing.
    public func close() {
        loop.preconditionCurrent()
        registration.close()
    }

    /// Closes the socket with a reset, so that the peer cannot take what it has for the whole.
    public func reset() {
        loop.preconditionCurrent()
        if registration.isOpen { Syscall.resetOnClose(registration.descriptor) }
        registration.close()
    }
}
