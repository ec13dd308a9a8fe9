import EventLoop
import Recurrent
import Sessions
import Threading

/// Somebody who may call: a name, and what is allowed to it. What they call with is not kept, only its SHA-256.
///
/// `bucket` is used under the lock: so `@unchecked Sendable`.
public final class APIKey: @unchecked Sendable {
    /// What the holder may do at most; nil for no bound but the server's.
    public struct Limits: Sendable, Equatable {
        /// Requests a second, on average; twice as many may come at once.
        public var requestsPerSecond: Double?
        public var sessions: Int?
        /// Bytes of the states of all sessions.
        public var sessionBytes: Int?
        /// Ids of models.
        public var models: Set<String>?

        public init() {}
    }

    /// It owns its sessions by this name.
    public let name: String
    /// Of what its holder calls with: see `digest(of:)`.
    public let digest: String
    public let limits: Limits
    private let lock = Lock()
    private var bucket: TokenBucket?

    public init(name: String, digest: String, limits: Limits) {
        (self.name, self.digest, self.limits) = (name, digest, limits)
        bucket = limits.requestsPerSecond.map { TokenBucket(rate: $0) }
    }

    /// SHA-256 of what a caller calls with, as 64 lower-case hexadecimal digits.
    static func digest(of secret: String) -> String {
        let sha = SHA256()
        sha.update(secret)
        return sha.hexadecimal()
    }

    var quota: SessionQuota? {
        guard limits.sessions != nil || limits.sessionBytes != nil else { return nil }
        return SessionQuota(sessions: limits.sessions, bytes: limits.sessionBytes)
    }

    /// Takes note of a request; how many seconds to wait instead, where there are too many.
    func admit(at now: MonotonicInstant) -> Double? {
        lock.withLock { bucket?.take(at: Double(now.nanoseconds) / 1e9) }
    }

    /// The name and limits stand; what was used of them goes on.
    func takeOver(from earlier: APIKey) {
        let before = earlier.lock.withLock { earlier.bucket }
        guard earlier.limits.requestsPerSecond == limits.requestsPerSecond else { return }
        lock.withLock { bucket = before }
    }
}

/// Lets so many through a second on average, and twice as many at once after a rest.
struct TokenBucket {
    let rate: Double
    private var tokens: Double
    private var last = -Double.infinity
    private var capacity: Double { max(1, 2 * rate) }

    init(rate: Double) {
        self.rate = rate
        tokens = max(1, 2 * rate)
    }

    /// - Parameter now: seconds of a clock that moves on only.
    /// - Returns: nil for one that may pass, else seconds until the next may.
    mutating func take(at now: Double) -> Double? {
        if last > -.infinity { tokens = min(capacity, tokens + (now - last) * rate) }
        last = now
        // What is missing of a token by rounding alone is there.
        guard tokens >= 1 - 1e-9 else { return (1 - tokens) / rate }
        tokens -= 1
        return nil
    }
}
