import EventLoop
import Synchronization
import Threading

/// Counts connections, all of them and those of each address. Any thread may ask and tell; `perAddress` is used under
/// the lock only: so `@unchecked Sendable`.
final class Census: @unchecked Sendable {
    enum Welcome: Equatable {
        case welcome
        /// One too many, of all or of those from its address. It counts until it leaves.
        case tooMany
        case tooManyFromAddress
        /// So many too many that not even an answer is in it.
        case closed
    }

    /// Connections beyond the limit that are told so at one time.
    private static let mostTurnedAway = 256

    private let limit: Int
    private let limitPerAddress: Int?
    private let count = Atomic<Int>(0)
    private let accepted = Atomic<Int>(0)
    private let refused = Atomic<Int>(0)
    private let lock = Lock()
    private var perAddress: [UInt64: Int] = [:]

    init(_ limits: HTTPLimits) { (limit, limitPerAddress) = (limits.connections, limits.connectionsPerAddress) }

    /// Connections at this time.
    var open: Int { count.load(ordering: .sequentiallyConsistent) }
    /// Connections so far, and those that were turned away.
    var acceptedSoFar: Int { accepted.load(ordering: .relaxed) }
    var refusedSoFar: Int { refused.load(ordering: .relaxed) }

    /// Counts a connection, whatever the answer.
    func enter(_ peer: PeerAddress) -> Welcome {
        accepted.add(1, ordering: .relaxed)
        let count = count.add(1, ordering: .sequentiallyConsistent).newValue
        var isOneTooMany = false
        if let limitPerAddress, let host = peer.host {
            isOneTooMany = lock.withLock {
                perAddress[host, default: 0] += 1
                return perAddress[host]! > limitPerAddress
            }
        }
        guard count > limit || isOneTooMany else { return .welcome }
        refused.add(1, ordering: .relaxed)
        if count > limit + Self.mostTurnedAway { return .closed }
        return isOneTooMany ? .tooManyFromAddress : .tooMany
    }

    /// Takes a connection from the count.
    /// - Returns: how many are left.
    func leave(_ peer: PeerAddress) -> Int {
        if limitPerAddress != nil, let host = peer.host {
            lock.withLock {
                perAddress[host]! -= 1
                if perAddress[host] == 0 { perAddress[host] = nil }
            }
        }
        return count.subtract(1, ordering: .sequentiallyConsistent).newValue
    }
}
