import Threading

/// Files in PEM form of which a server's TLS is made.
public struct TLSFiles: Sendable {
    /// The server's certificate, and behind it those that lead to one that clients know.
    public var certificate: String
    public var key: String
    /// Certificates of whom clients' certificates must be; nil where clients need none.
    public var clientAuthority: String?

    public init(certificate: String, key: String, clientAuthority: String? = nil) {
        (self.certificate, self.key, self.clientAuthority) = (certificate, key, clientAuthority)
    }
}

/// Why a file cannot be used for TLS.
public struct TLSError: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

/// TLS of a server, whose files can be read again while it runs. `current` is read and written under the lock: so
/// `@unchecked Sendable`.
public final class TLSConfiguration: @unchecked Sendable {
    private let files: TLSFiles
    private let lock = Lock()
    private var current: TLSContext

    /// Reads the files.
    public init(_ files: TLSFiles) throws(TLSError) {
        self.files = files
        current = try TLSContext(files)
    }

    /// Reads the files again, for connections to come. Where they cannot be used all stays as it is.
    public func reload() throws(TLSError) {
        let context = try TLSContext(files)
        lock.withLock { current = context }
    }

    func session() -> TLSSession? { TLSSession(lock.withLock { current }) }
}
