import Glibc

/// The bytes of a file, mapped read-only for as long as the value's owner lives.
///
/// Immutable, so any thread may read it. A file that somebody truncates while it is mapped ends the process with
/// SIGBUS, as it does any program that maps files; models are read at start and unmapped at once.
@safe final class MappedFile: @unchecked Sendable {
    let count: Int
    private let base: UnsafeRawPointer

    init(path: String) throws(CheckpointError) {
        // O_NONBLOCK: a named pipe is refused below instead of waited for.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.failure(path) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw Self.failure(path) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(file: path, reason: "not a regular file") }
        guard status.st_size > 0 else { throw .malformed(file: path, reason: "the file is empty") }
        count = status.st_size
        guard let mapping = unsafe mmap(nil, count, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0),
            unsafe mapping != MAP_FAILED
        else { throw Self.failure(path) }
        unsafe base = UnsafeRawPointer(mapping)
    }

    deinit { unsafe munmap(UnsafeMutableRawPointer(mutating: base), count) }

    /// Lends the bytes of `range`.
    func withBytes<R>(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(range) of \(count) bytes")
        return unsafe body(UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
    }

    /// A copy of the bytes of `range`.
    func bytes(_ range: Range<Int>) -> [UInt8] { unsafe withBytes(range) { unsafe Array($0) } }

    private static func failure(_ path: String) -> CheckpointError {
        .unreadable(file: path, reason: FileAccess.reason(errno, path: path))
    }
}
