import EventLoop
import HTTP
import Inference
import Metrics
import Sessions
import Threading

/// Figures of the server for Prometheus: those of HTTP are gathered here, the others asked for when they are wanted.
///
/// What can change is used under the lock: so `@unchecked Sendable`.
public final class ServerMetrics: @unchecked Sendable {
    private struct Figures {
        let route: Route?
        var statuses: [Int: Int] = [:]
        /// To the end of a reply, or the beginning of a streamed one.
        var seconds = Histogram(bounds: Histogram.seconds)
        /// To the end of streamed ones.
        var streamSeconds = Histogram(bounds: Histogram.minutes)
        /// To the end of those that have made steps; nil for a route that makes none.
        var stepSeconds: Histogram?

        init(route: Route?) {
            self.route = route
            if ServerMetrics.stepRoutes.contains(where: { $0.pattern == route?.pattern }) {
                stepSeconds = Histogram(bounds: Histogram.seconds)
            }
        }

        mutating func note(_ exchange: Exchange) {
            statuses[exchange.status.code, default: 0] += 1
            seconds.record((exchange.streamBegan ?? exchange.duration) / .seconds(1))
            if exchange.streamBegan != nil { streamSeconds.record(exchange.duration / .seconds(1)) }
            if exchange.status == .ok { stepSeconds?.record(exchange.duration / .seconds(1)) }
        }
    }

    /// Routes of which each request is a step, or a batch of them, and what that is called.
    private static let stepRoutes = [
        (pattern: "/v1/sessions/{id}/step", kind: "request"), (pattern: "/v1/step", kind: "batch"),
    ]

    private let build: Exposition.Labels
    private let lock = Lock()
    private var routes: [ObjectIdentifier?: Figures] = [:]
    private var cutOff = 0
    private var received = 0
    private var sent = 0
    private weak var server: HTTPServer?

    /// - Parameter build: names and values of what was built.
    public init(build: Exposition.Labels = [:]) { self.build = build }

    /// The server whose connections count.
    public func watch(_ server: HTTPServer) { lock.withLock { self.server = server } }

    /// Takes note of a reply.
    public func note(_ exchange: Exchange) {
        let route = exchange.route.map { ObjectIdentifier($0) }
        lock.withLock {
            routes[route, default: Figures(route: exchange.route)].note(exchange)
            received += exchange.received
            sent += exchange.sent
            if !exchange.isComplete { cutOff += 1 }
        }
    }

    /// All figures as text.
    func exposition(_ service: Service?) -> String {
        var text = Exposition()
        text.metric("scanstep_build_info", .gauge, "What was built; always 1.")
        text.sample("scanstep_build_info", build, 1)
        writeRequests(service, to: &text)
        if let server = lock.withLock({ server }) { Self.write(server, to: &text) }
        if let service {
            Self.write(service.scheduler.statistics, to: &text)
            Self.write(service.sessions.statistics, to: &text)
            text.metric("scanstep_models", .gauge, "Models served.", service.models.count)
            let kept = service.resumptions.figures
            text.metric("scanstep_resumable_streams", .gauge, "Streams that Last-Event-ID leads on from.", kept.count)
            text.metric("scanstep_resumable_bytes", .gauge, "Bytes that are kept of them.", kept.bytes)
            text.metric(
                "scanstep_resumable_limit_bytes", .gauge, "Bytes that may be kept of them.", Resumptions.limit)
        }
        ProcessFigures.now().write(to: &text)
        return text.text
    }

    private func writeRequests(_ service: Service?, to text: inout Exposition) {
        let (routes, cutOff, received, sent) = lock.withLock { (self.routes, self.cutOff, self.received, self.sent) }
        func name(_ figures: Figures) -> (method: String, route: String) {
            (figures.route?.method.rawValue ?? "", figures.route?.pattern ?? "")
        }
        let all = routes.values.sorted { name($0) < name($1) }
        text.metric("scanstep_http_requests_total", .counter, "Requests answered, by route and status.")
        for figures in all {
            for (status, count) in figures.statuses.sorted(by: { $0.key < $1.key }) {
                text.sample(
                    "scanstep_http_requests_total",
                    ["method": name(figures).method, "route": name(figures).route, "status": "\(status)"], count)
            }
        }
        text.metric(
            "scanstep_http_request_duration_seconds", .histogram,
            "Time from a request's head to the end of its reply, or to the beginning of a streamed one.")
        for figures in all {
            text.samples(
                "scanstep_http_request_duration_seconds",
                ["method": name(figures).method, "route": name(figures).route], figures.seconds)
        }
        text.metric(
            "scanstep_http_stream_duration_seconds", .histogram,
            "Time from a request's head to the end of its streamed reply.")
        for figures in all where figures.streamSeconds.count > 0 {
            text.samples(
                "scanstep_http_stream_duration_seconds",
                ["method": name(figures).method, "route": name(figures).route], figures.streamSeconds)
        }
        text.metric(
            "scanstep_step_duration_seconds", .histogram,
            "Time of steps that were made: of a request with one, of a line of a duplex stream, of a batch.")
        for (pattern, kind) in Self.stepRoutes {
            let seconds = routes.values.first { $0.route?.pattern == pattern }?.stepSeconds
            text.samples(
                "scanstep_step_duration_seconds", ["kind": kind], seconds ?? Histogram(bounds: Histogram.seconds))
        }
        if let service { text.samples("scanstep_step_duration_seconds", ["kind": "line"], service.lineSeconds.value) }
        text.metric("scanstep_http_cut_off_total", .counter, "Replies that could not be sent to their end.", cutOff)
        text.metric("scanstep_http_received_bytes_total", .counter, "Bytes of requests' contents.", received)
        text.metric("scanstep_http_sent_bytes_total", .counter, "Bytes of replies' contents.", sent)
    }

    private static func write(_ server: HTTPServer, to text: inout Exposition) {
        let (open, accepted, refused) = server.connections
        text.metric("scanstep_connections", .gauge, "Connections open.", open)
        text.metric("scanstep_connections_accepted_total", .counter, "Connections accepted.", accepted)
        text.metric("scanstep_connections_refused_total", .counter, "Connections turned away.", refused)
        let unsent = server.unsent
        text.metric(
            "scanstep_unsent_bytes", .gauge, "Bytes of large replies that wait for their readers.", unsent.bytes)
        text.metric("scanstep_unsent_limit_bytes", .gauge, "Bytes of them that may wait.", unsent.limit)
        text.metric(
            "scanstep_slow_readers_dropped_total", .counter, "Readers dropped because more would have waited.",
            unsent.dropped)
        let loops = server.loops
        text.metric("scanstep_loop_turns_total", .counter, "Turns of each event loop.")
        for (index, loop) in loops.enumerated() {
            text.sample("scanstep_loop_turns_total", ["loop": "\(index)"], loop.turns)
        }
        text.metric("scanstep_loop_busy_seconds_total", .counter, "Time that each event loop did not wait.")
        for (index, loop) in loops.enumerated() {
            text.sample("scanstep_loop_busy_seconds_total", ["loop": "\(index)"], loop.busy / .seconds(1))
        }
        text.metric(
            "scanstep_loop_lag_seconds", .gauge,
            "The longest turn of each event loop since this was last read: so long did an event wait at most.")
        for (index, loop) in loops.enumerated() {
            text.sample("scanstep_loop_lag_seconds", ["loop": "\(index)"], loop.longestTurn / .seconds(1))
        }
    }
}
