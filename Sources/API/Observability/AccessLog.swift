import EventLoop
import HTTP
import JSON
import Threading

/// A line of JSON for each request, written in bursts: a loop writes what it has when it has done what was ready.
///
/// The lines that wait are used under the lock: so `@unchecked Sendable`.
public final class AccessLog: @unchecked Sendable {
    /// Bytes of lines that are written at once, however much there is still to do.
    private static let burst = 64 << 10

    private let file: LogFile
    private let clock: @Sendable () -> Double
    private let lock = Lock()
    private var lines = JSONWriter(capacity: 4096)
    /// The latest time, in milliseconds and as text: many lines have the same.
    private var stamp = (milliseconds: Int.min, text: "")
    /// Addresses as text: there are few, and each has many lines.
    private var clients: [PeerAddress: String] = [:]
    private var afterthought: Afterthought?

    /// - Parameter clock: seconds since 1970.
    public init(_ file: LogFile, clock: @escaping @Sendable () -> Double) {
        (self.file, self.clock) = (file, clock)
        afterthought = Afterthought { [weak self] in self?.flush() }
    }

    /// Takes note of a reply; on the connection's loop.
    public func note(_ exchange: Exchange) {
        let time = clock()
        let isFull = lock.withLock {
            write(exchange, at: time)
            return lines.bytes.count >= Self.burst
        }
        if isFull { flush() } else { afterthought!.request() }
    }

    /// Writes what waits.
    public func flush() {
        lock.withLock {
            if lines.bytes.isEmpty { return }
            file.write(lines.bytes)
            lines.removeAll()
        }
    }

    /// Opens the file anew, which somebody may have moved away.
    public func reopen() {
        flush()
        lock.withLock { file.reopen() }
    }

    private func text(of time: Double) -> String {
        let milliseconds = Int(time * 1000)
        if milliseconds != stamp.milliseconds { stamp = (milliseconds, timestamp(time)) }
        return stamp.text
    }

    private func text(of peer: PeerAddress) -> String {
        let host = peer.withoutPort
        if let text = clients[host] { return text }
        if clients.count == 1024 { clients.removeAll() }
        let text = host.text
        clients[host] = text
        return text
    }

    private func write(_ exchange: Exchange, at time: Double) {
        lines.beginObject()
        lines.field("time", text(of: time))
        lines.field("id", exchange.requestID)
        lines.field("client", text(of: exchange.peer))
        Self.write(exchange, to: &lines)
        lines.endObject()
        lines.newline()
    }

    private static func write(_ exchange: Exchange, to json: inout JSONWriter) {
        if let key = exchange.user as? APIKey { json.field("key", key.name) }
        json.field("method", exchange.head?.method.rawValue ?? "-")
        json.field("target", exchange.head?.target ?? "-")
        if let route = exchange.route { json.field("route", route.pattern) }
        json.field("protocol", exchange.head.map { $0.minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1" } ?? "-")
        if exchange.isSecure { json.field("tls", true) }
        json.field("status", exchange.status.code)
        json.field("received", exchange.received)
        json.field("sent", exchange.sent)
        json.field("microseconds", Int(exchange.duration / .microseconds(1)))
        if !exchange.isComplete { json.field("cut_off", true) }
        if let text = exchange.head?.fields["traceparent"], let trace = TraceParent(text) {
            json.field("trace_id", String(trace.traceID))
            json.field("parent_id", String(trace.parentID))
        }
    }
}
