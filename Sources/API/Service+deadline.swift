import EventLoop
import HTTP

extension Service {
    /// The longest time that a client may give, in milliseconds: a day.
    static let longestTimeout = 86_400_000

    /// How long the client waits for an answer, as `X-Request-Timeout-Ms` says; nil where it does not.
    func timeout(of request: Request) throws(Problem) -> Duration? {
        guard let text = request.head.fields["x-request-timeout-ms"] else { return nil }
        guard let milliseconds = Int(text), (1...Self.longestTimeout).contains(milliseconds),
            text.utf8.first != UInt8(ascii: "+")
        else {
            throw .invalid("X-Request-Timeout-Ms must be a whole number from 1 to \(Self.longestTimeout).")
        }
        return .milliseconds(milliseconds)
    }

    /// The time after which nothing more is computed for `request`, in nanoseconds on the monotonic clock: so many
    /// milliseconds after its arrival as `X-Request-Timeout-Ms` says.
    func deadline(of request: Request) throws(Problem) -> Int64? {
        try timeout(of: request).map { (request.arrival + $0).nanoseconds }
    }
}
