import EventLoop
import HTTP

extension Service {
    /// The longest time that a client may give, in milliseconds: a day.
    static let longestTimeout = 86_400_000

    /// The time after which nothing more is computed for `request`, in nanoseconds on the monotonic clock: so many
    /// milliseconds after its arrival as `X-Request-Timeout-Ms` says.
    func deadline(of request: Request) throws(Problem) -> Int64? {
        guard let text = request.head.fields["x-request-timeout-ms"] else { return nil }
        guard let milliseconds = Int(text), (1...Self.longestTimeout).contains(milliseconds),
            text.utf8.first != UInt8(ascii: "+")
        else {
            throw .invalid("X-Request-Timeout-Ms must be a whole number from 1 to \(Self.longestTimeout).")
        }
        return (request.arrival + .milliseconds(milliseconds)).nanoseconds
    }
}
