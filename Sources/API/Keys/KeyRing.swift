import Threading

/// The keys that are known. Read on every request and replaced as a whole, under the lock: so `@unchecked Sendable`.
public final class KeyRing: @unchecked Sendable {
    private let lock = Lock()
    private var keys: [APIKey]

    public init(_ keys: [APIKey]) { self.keys = keys }

    /// Knows these keys from now on.
    public func replace(by keys: [APIKey]) {
        lock.withLock {
            for key in keys { self.keys.first { $0.name == key.name }.map(key.takeOver) }
            self.keys = keys
        }
    }

    public var count: Int { lock.withLock { keys.count } }

    /// Whose `secret` is. The time that it takes tells nothing of which keys there are: all of them are compared, each to
    /// its end.
    func holder(of secret: String) -> APIKey? {
        let digest = APIKey.digest(of: secret)
        var holder: APIKey?
        for key in lock.withLock({ keys }) where Self.isEqual(key.digest, digest) { holder = key }
        return holder
    }

    private static func isEqual(_ left: String, _ right: String) -> Bool {
        var difference = UInt8(left.utf8.count == right.utf8.count ? 0 : 1)
        for (one, other) in zip(left.utf8, right.utf8) { difference |= one ^ other }
        return difference == 0
    }
}
