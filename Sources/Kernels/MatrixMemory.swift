import Glibc

/// Zeros from the system that matrices lie in. Pages take memory once they are written to, so room for many rows costs
/// what the rows in use need; and all of it can be given back.
///
/// Like a matrix it is not `Sendable`: whoever owns the model's work owns it.
@safe public final class MatrixMemory {
    public let bytes: Int
    let base: UnsafeMutableRawPointer

    /// What the system hands out and takes back.
    public static let page = 4096

    /// - Parameter isSparse: whether so little of it will be used that pages of megabytes would be a waste.
    public init(bytes: Int, isSparse: Bool) {
        precondition(bytes > 0, "memory of \(bytes) bytes")
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let mapping = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
            preconditionFailure("the system has no \(bytes) bytes of address space left")
        }
        if isSparse { unsafe madvise(mapping, bytes, MADV_NOHUGEPAGE) }
        self.bytes = bytes
        unsafe base = mapping
    }

    deinit { unsafe munmap(base, bytes) }

    /// Gives all pages back to the system: the matrices in it are zeros again.
    public func giveBack() { unsafe madvise(base, bytes, MADV_DONTNEED) }

    /// Pages that take memory at present, in bytes.
    public var residentBytes: Int {
        let pages = (bytes + Self.page - 1) / Self.page
        var states = [UInt8](repeating: 0, count: pages)
        let isKnown = unsafe mincore(base, bytes, &states) == 0
        precondition(isKnown, "mincore: \(errno)")
        return states.count { $0 & 1 != 0 } * Self.page
    }
}
