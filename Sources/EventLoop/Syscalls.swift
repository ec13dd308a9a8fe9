import CLinux
import Glibc

// All calls into the kernel and all unsafe memory of this module; what other files see of it is safe to use.

/// The one way into the kernel: an interrupted call is made again, would-block is a value, and errors that only a bug
/// in this module can cause (a descriptor used after its close, a bad address) stop the program.
enum Syscall {
    enum Outcome {
        case done(Int)
        case wouldBlock
        case failed(Int32)
    }

    @inline(__always)
    private static func call(_ body: () -> Int) -> Outcome {
        while true {
            let result = body()
            if result >= 0 { return .done(result) }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            case EBADF: fatalError("a system call on a closed descriptor (EBADF)")
            case EFAULT: fatalError("a system call on a bad address (EFAULT)")
            case let code: return .failed(code)
            }
        }
    }

    private static func demand(_ name: String, _ result: Int32) throws(SystemError) -> Int32 {
        guard result >= 0 else { throw error(name, errno) }
        return result
    }

    static func error(_ name: String, _ code: Int32) -> SystemError {
        SystemError(call: name, code: code, reason: unsafe String(cString: strerror(code)))
    }

    /// Appends what has arrived, at most `scratch.size` bytes; 0 means that the peer has finished.
    static func receive(_ descriptor: Int32, into bytes: inout [UInt8], through scratch: ScratchBuffer) -> Outcome {
        let outcome = call { unsafe recv(descriptor, scratch.bytes.baseAddress, scratch.size, 0) }
        if case .done(let count) = outcome {
            unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: scratch.bytes[..<count]))
        }
        return outcome
    }

    /// Hands `bytes[offset...]` to the kernel as far as it takes them.
    static func send(_ descriptor: Int32, _ bytes: [UInt8], from offset: Int, more: Bool) -> Outcome {
        unsafe bytes.withUnsafeBytes { buffer in
            let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[offset...])
            return call { unsafe linux_send(descriptor, rest.baseAddress, rest.count, more ? 1 : 0) }
        }
    }

    static func accept(_ listener: Int32, from peer: inout PeerAddress) -> Outcome {
        var raw = linux_peer()
        let outcome = call { unsafe Int(linux_accept(listener, &raw)) }
        peer = unsafe withUnsafeBytes(of: &raw.bytes) { bytes in
            unsafe PeerAddress(
                family: raw.family == 4 ? .four : raw.family == 6 ? .six : .none,
                high: bytes.load(as: UInt64.self).bigEndian,
                low: bytes.load(fromByteOffset: 8, as: UInt64.self).bigEndian, port: Int(raw.port))
        }
        return outcome
    }

    /// After `close` the number is free even when the call reports an error, so there is nothing to retry.
    static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

    static func shutdownReading(_ descriptor: Int32) { _ = linux_shutdown_reading(descriptor) }
    static func shutdownWriting(_ descriptor: Int32) { _ = linux_shutdown_writing(descriptor) }
    /// Bytes that the kernel holds and the peer has not taken.
    static func held(_ descriptor: Int32) -> Int { Int(linux_held(descriptor)) }
    static func resetOnClose(_ descriptor: Int32) { _ = linux_reset_on_close(descriptor) }

    static func tune(_ descriptor: Int32) {
        _ = linux_no_delay(descriptor)
        _ = linux_unsent_limit(descriptor, 256 << 10)
    }

    static func localPort(_ descriptor: Int32) throws(SystemError) -> Int {
        Int(try demand("getsockname", linux_local_port(descriptor)))
    }

    static func isLocal(_ descriptor: Int32) -> Bool { linux_is_local(descriptor) }

    /// Resolves `host`, and binds and listens on the first address that lets it.
    static func listen(host: String, port: Int, backlog: Int) throws(SystemError) -> Int32 {
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else {
            throw SystemError(call: "getaddrinfo", code: 0, reason: unsafe String(cString: gai_strerror(code)))
        }
        defer { unsafe freeaddrinfo(list) }
        var failure = SystemError(call: "getaddrinfo", code: 0, reason: "no address for \(host)")
        var next = unsafe list
        while let address = unsafe next?.pointee {
            do throws(SystemError) {
                let descriptor = try demand("socket", unsafe linux_stream_socket(address.ai_family))
                do throws(SystemError) {
                    _ = linux_reuse_address(descriptor)
                    _ = try demand("bind", unsafe Glibc.bind(descriptor, address.ai_addr, address.ai_addrlen))
                    _ = try demand("listen", Glibc.listen(descriptor, Int32(clamping: backlog)))
                    return descriptor
                } catch {
                    close(descriptor)
                    throw error
                }
            } catch {
                failure = error
            }
            unsafe next = address.ai_next
        }
        throw failure
    }

    /// Listens at a path, where a socket that nobody listens at any more makes room.
    static func listen(path: String, backlog: Int) throws(SystemError) -> Int32 {
        guard (1...Int(linux_longest_socket_path)).contains(path.utf8.count) else {
            let reason = "the path must have 1 to \(linux_longest_socket_path) bytes"
            throw SystemError(call: "bind", code: ENAMETOOLONG, reason: reason)
        }
        if unsafe linux_is_listened_at(path) != 0 { throw error("bind", EADDRINUSE) }
        var status = stat()
        if unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK { unlink(path) }
        let descriptor = try demand("socket", linux_stream_socket(AF_UNIX))
        do throws(SystemError) {
            _ = try demand("bind", unsafe linux_bind_path(descriptor, path))
            _ = try demand("listen", Glibc.listen(descriptor, Int32(clamping: backlog)))
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Takes a listening socket over from who started the program.
    static func adopt(_ descriptor: Int32) throws(SystemError) {
        guard linux_listens(descriptor) != 0 else {
            throw SystemError(call: "listen", code: EINVAL, reason: "it is no listening socket")
        }
        _ = try demand("fcntl", linux_adopt(descriptor))
    }

    static func unlink(_ path: String) { _ = unsafe Glibc.unlink(path) }

    static func makePoller() throws(SystemError) -> Int32 { try demand("epoll_create1", linux_epoll_create()) }
    static func makeWaker() throws(SystemError) -> Int32 { try demand("eventfd", linux_eventfd()) }

    static func watch(_ poller: Int32, _ descriptor: Int32, token: UInt64) throws(SystemError) {
        let events = linux_readable | linux_writable | linux_peer_finished | linux_edge_triggered
        _ = try demand("epoll_ctl", linux_epoll_add(poller, descriptor, events, token))
    }

    static func watchWaker(_ poller: Int32, _ waker: Int32, token: UInt64) throws(SystemError) {
        _ = try demand("epoll_ctl", linux_epoll_add(poller, waker, linux_readable | linux_edge_triggered, token))
    }

    /// The counter is never read: with edge triggering each write is an event of its own.
    static func wake(_ waker: Int32) { _ = call { Int(eventfd_write(waker, 1)) } }

    static func wait(_ poller: Int32, into events: EventBuffer, milliseconds: Int32) -> Int {
        let outcome = call {
            unsafe Int(epoll_wait(poller, events.events.baseAddress, Int32(events.events.count), milliseconds))
        }
        guard case .done(let count) = outcome else { fatalError("epoll_wait: \(outcome)") }
        return count
    }
}

/// The loop of the calling thread. Each loop's thread holds its loop for as long as it stands here.
enum CurrentLoop {
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let code = unsafe pthread_key_create(&key, nil)
        precondition(code == 0, "pthread_key_create: \(code)")
        return key
    }()

    static func get() -> EventLoop? {
        guard let pointer = unsafe pthread_getspecific(key) else { return nil }
        return unsafe Unmanaged<EventLoop>.fromOpaque(pointer).takeUnretainedValue()
    }

    static func set(_ loop: EventLoop?) {
        unsafe pthread_setspecific(key, loop.map { unsafe UnsafeRawPointer(Unmanaged.passUnretained($0).toOpaque()) })
    }
}

/// What the kernel says about one descriptor.
struct Readiness {
    let token: UInt64
    let flags: UInt32

    var canRead: Bool { flags & (linux_readable | linux_peer_finished | linux_hung_up) != 0 }
    var canWrite: Bool { flags & (linux_writable | linux_hung_up) != 0 }
    var peerFinished: Bool { flags & linux_peer_finished != 0 }
    var hungUp: Bool { flags & linux_hung_up != 0 }
}

/// The events of one `epoll_wait`; it belongs to one loop.
@safe final class EventBuffer {
    fileprivate let events = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: 256)

    init() { unsafe events.initialize(repeating: epoll_event()) }
    deinit { unsafe events.deallocate() }

    subscript(index: Int) -> Readiness {
        precondition(unsafe events.indices.contains(index))
        return unsafe Readiness(token: events[index].data.u64, flags: events[index].events)
    }
}

/// Where the kernel puts what it received before it is appended to a connection's own bytes, so that an idle
/// connection keeps no large buffer; it belongs to one loop.
@safe final class ScratchBuffer {
    let size = 64 << 10
    fileprivate let bytes: UnsafeMutableRawBufferPointer

    init() { unsafe bytes = .allocate(byteCount: size, alignment: 64) }
    deinit { unsafe bytes.deallocate() }
}

/// The clocks of the machine.
public enum Clock {
    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return time
    }

    /// Seconds since 1970 UTC; a few milliseconds late, and cheap.
    public static func wallSeconds() -> Int { read(CLOCK_REALTIME_COARSE).tv_sec }

    static func monotonic() -> MonotonicInstant {
        let time = read(CLOCK_MONOTONIC)
        return MonotonicInstant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
