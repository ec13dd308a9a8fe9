/// A request line and its fields, checked and taken apart but not yet turned into text. It does not change, and is passed on
/// by reference.
public final class RequestHead: Sendable {
    /// How the body's end is found (RFC 9112 §6).
    public enum Framing: Sendable, Equatable {
        case none
        /// Bytes, from Content-Length.
        case length(Int)
        case chunked
    }

    public let method: Method
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    public let minorVersion: Int
    public let fields: HeaderFields
    public let framing: Framing
    /// Whether the client means to send further requests on the connection (RFC 9112 §9.3).
    public let keepsAlive: Bool
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    public let expectsContinue: Bool

    // Ranges of `fields.bytes`, which holds the whole head, and behind it the path where that had segments of dots.
    let targetRange: Range<Int>
    let pathRange: Range<Int>
    let queryRange: Range<Int>

    init(
        method: Method, minorVersion: Int, fields: HeaderFields, framing: Framing, keepsAlive: Bool,
        expectsContinue: Bool, targetRange: Range<Int>, pathRange: Range<Int>, queryRange: Range<Int>
    ) {
        (self.method, self.minorVersion, self.fields, self.framing) = (method, minorVersion, fields, framing)
        (self.keepsAlive, self.expectsContinue) = (keepsAlive, expectsContinue)
        (self.targetRange, self.pathRange, self.queryRange) = (targetRange, pathRange, queryRange)
    }

    /// The request target as it came.
    public var target: String { String(decoding: fields.bytes[targetRange], as: UTF8.self) }

    /// The path's segments, decoded once and without `.` and `..`; an escaped slash stays inside its segment. `/` has
    /// one, empty.
    public var segments: [String] {
        ranges(of: pathRange.dropFirst(), separator: "/").map { PercentDecoding.text(fields.bytes, $0) }
    }

    /// The query's items in order, decoded, `+` as space; an item without `=` has an empty value.
    public var query: [(name: String, value: String)] {
        ranges(of: queryRange, separator: "&").filter { !$0.isEmpty }.map { item in
            let equals = fields.bytes[item].firstIndex(of: UInt8(ascii: "=")) ?? item.upperBound
            let value = min(equals + 1, item.upperBound)..<item.upperBound
            return (
                PercentDecoding.text(fields.bytes, item.lowerBound..<equals, plusIsSpace: true),
                PercentDecoding.text(fields.bytes, value, plusIsSpace: true)
            )
        }
    }

    /// The first value of the query item `name`.
    public func query(_ name: String) -> String? {
        queryRange.isEmpty ? nil : query.first { $0.name == name }?.value
    }

    private func ranges(of whole: Range<Int>, separator: Unicode.Scalar) -> [Range<Int>] {
        fields.bytes[whole].split(separator: UInt8(ascii: separator), omittingEmptySubsequences: false)
            .map { $0.startIndex..<$0.endIndex }
    }
}
