import EventLoop
import Synchronization
import Threading

/// What all connections of a server share: constants and counters.
final class ServerContext: Sendable {
    let limits: HTTPLimits
    let crossOrigin: CrossOrigin?
    private let respondToError: ErrorResponder
    let observer: HTTPObserver
    /// Opens when the server is draining and the last connection has ended.
    let allClosed = Latch()
    let census: Census
    private let draining = Atomic<Bool>(false)

    init(
        limits: HTTPLimits, crossOrigin: CrossOrigin?, errorResponder: @escaping ErrorResponder, observer: HTTPObserver
    ) {
        self.limits = limits
        self.crossOrigin = crossOrigin
        respondToError = errorResponder
        self.observer = observer
        census = Census(limits)
    }

    var isDraining: Bool { draining.load(ordering: .sequentiallyConsistent) }

    /// The reply that tells of an error.
    func render(_ error: HTTPError, _ context: ErrorContext) -> Response {
        var response = respondToError(error, context)
        for (name, value) in error.fields.pairs { response.fields[name] = value }
        return response
    }

    /// The reply to what could not be read.
    func render(_ error: HTTPError, _ identifier: RequestIdentifier) -> Response {
        render(error, ErrorContext(requestID: identifier.text(nil), head: nil))
    }

    /// A connection has ended, or was never begun.
    func closed(_ peer: PeerAddress) {
        if census.leave(peer) == 0, isDraining { allClosed.open() }
    }

    /// True for the first caller.
    func startDraining() -> Bool {
        !draining.exchange(true, ordering: .sequentiallyConsistent)
    }

    func checkAllClosed() {
        if census.open == 0 { allClosed.open() }
    }
}

/// Where connections come from, and what they may ask for.
final class Endpoint: Sendable {
    let router: Router
    let tls: TLSConfiguration?

    init(_ router: Router, _ tls: TLSConfiguration?) { (self.router, self.tls) = (router, tls) }
}
