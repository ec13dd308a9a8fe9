import Glibc
import Threading

/// A file that grows, or standard error. Used by one thread at a time: its owner sees to that.
public final class LogFile {
    /// What is wrong with a path.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    private let path: String?
    private var descriptor: Int32

    /// - Parameter path: nil for standard error.
    public init(_ path: String?) throws(Failure) {
        self.path = path
        descriptor = path.map(Self.open) ?? STDERR_FILENO
        if descriptor < 0 { throw Failure(description: unsafe String(cString: strerror(errno))) }
    }

    deinit { if path != nil { close(descriptor) } }

    private static func open(_ path: String) -> Int32 {
        unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
    }

    /// Appends bytes. What cannot be written is lost: a full disk must not keep requests from being answered.
    func write(_ bytes: [UInt8]) {
        var start = 0
        while start < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress! + start, $0.count - start)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            start += count
        }
    }

    /// Goes on in a new file if the path is another one's by now; as before where none can be made.
    func reopen() {
        guard let path else { return }
        let fresh = Self.open(path)
        guard fresh >= 0 else { return }
        close(descriptor)
        descriptor = fresh
    }
}

/// Standard error for all threads, a whole line at a time: under the lock, so `@unchecked Sendable`.
public final class SharedLogFile: @unchecked Sendable {
    private let lock = Lock()
    private let file = try! LogFile(nil)

    public init() {}

    public func append(_ bytes: [UInt8]) { lock.withLock { file.write(bytes) } }
}
