/// The reply to a request that may come again, kept beside the state that the request led to.
public struct StoredReply: Sendable, Equatable {
    /// Replies of one session that are kept: the last ones.
    public static let limit = 8
    /// Bytes of one.
    public static let largest = 1 << 20
    /// Bytes that the largest one counts of the memory at most, with its key and its digest.
    static let mostBytes = largest + 1024

    /// What the client calls the request.
    public let key: String
    /// Of the request, so that another one under the same key is noticed.
    public let digest: String
    public let body: [UInt8]

    public init(key: String, digest: String, body: [UInt8]) {
        (self.key, self.digest, self.body) = (key, digest, body)
    }

    /// What it counts of the memory for sessions.
    public var bytes: Int { body.count + key.utf8.count + digest.utf8.count + 64 }
}
