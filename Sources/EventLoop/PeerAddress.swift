/// Who is at the other end of a connection.
public struct PeerAddress: Sendable, Hashable {
    public enum Family: Sendable { case none, four, six }

    /// What kind of address it is; `none` for a socket of the file system.
    public let family: Family
    /// The address' bytes, the first of them the most significant; an IPv4 address is the upper half of `high`.
    let high: UInt64
    let low: UInt64
    public let port: Int

    public init(family: Family, high: UInt64, low: UInt64, port: Int) {
        (self.family, self.high, self.low, self.port) = (family, high, low, port)
    }

    public static let none = PeerAddress(family: .none, high: 0, low: 0, port: 0)

    /// The address alone.
    public var withoutPort: PeerAddress { PeerAddress(family: family, high: high, low: low, port: 0) }

    /// Whose it is, as far as an address can tell: all that one household or machine may call from. An IPv6 address
    /// counts by its network of 64 bits; nil where there is no address.
    public var host: UInt64? {
        switch family {
        case .none: nil
        // IPv6 has no unicast addresses that begin with 32 zero bits and go on like this.
        case .four: high >> 32
        case .six: high
        }
    }

    /// The address without the port, as RFC 5952 writes it but for zeros left out; `unix` where there is none.
    public var text: String {
        switch family {
        case .none: return "unix"
        case .four: return (4...7).map { String(high >> UInt64(8 * (11 - $0)) & 255) }.joined(separator: ".")
        case .six:
            return (0..<8).map { group in
                let word = group < 4 ? high : low
                return String(word >> UInt64(16 * (3 - group % 4)) & 0xffff, radix: 16)
            }.joined(separator: ":")
        }
    }
}
