import EventLoop
import HTTP
import JSON
import Threading

/// The way in to the service: who may come in, and when. It is there before the models are.
///
/// `service` is read and written under the lock: so `@unchecked Sendable`.
public final class Gate: @unchecked Sendable {
    /// What is served at a door.
    public enum Door: Sendable {
        case everything
        /// All but what is for those who run the server.
        case withoutMetrics
        /// Only what is for those who run the server.
        case admin
    }

    private let keys: KeyRing?
    let metrics: ServerMetrics
    private let lock = Lock()
    private var service: Service?

    /// - Parameter keys: who may come in; nil for everybody.
    public init(keys: KeyRing?, metrics: ServerMetrics) { (self.keys, self.metrics) = (keys, metrics) }

    /// Lets requests in to the service.
    public func open(_ service: Service) { lock.withLock { self.service = service } }

    private var opened: Service? { lock.withLock { service } }

    /// All routes of a door.
    public func router(_ door: Door = .everything) -> Router {
        var router = Router()
        if door != .admin {
            for route in ServiceRoute.all {
                router.on(route.method, route.pattern) { [self] request in
                    try await enter(request, route)
                }
            }
            router.on(.get, "/openapi.yaml") { request in
                try request.requireAccepted(.yaml)
                return Response(type: "application/yaml", PackageResources.openapi_yaml)
            }
        }
        let live = Self.status("live")
        router.on(.get, "/livez") { _ in live }
        router.on(.get, "/readyz") { [self] request in
            if request.isDraining { throw Problem.draining }
            if opened == nil { throw Problem.loading }
            return Self.status("ready")
        }
        router.on(.get, "/v2/health/live") { _ in Self.health("live", true) }
        router.on(.get, "/v2/health/ready") { [self] request in
            Self.health("ready", !request.isDraining && opened != nil)
        }
        if door != .withoutMetrics {
            router.on(.get, "/metrics") { [self] _ in
                Response(
                    type: "text/plain; version=0.0.4; charset=utf-8", Array(metrics.exposition(opened).utf8))
            }
        }
        return router
    }

    private func enter(_ request: Request, _ route: ServiceRoute) async throws -> Response {
        do {
            return try await answer(request, route)
        } catch {
            guard let response = route.errors.response(error) else { throw error }
            return response
        }
    }

    private func answer(_ request: Request, _ route: ServiceRoute) async throws -> Response {
        if let keys {
            let key = try holder(of: request, keys)
            request.user = key
            if let seconds = key.admit(at: .now) { throw Problem.rateLimited(key, seconds) }
        }
        try request.requireAccepted(route.answers)
        try route.requireNoKey(request)
        guard let service = opened else { throw Problem.loading }
        return try await route.handler(service)(request)
    }

    /// RFC 6750 §2.1, §3: `Authorization: Bearer`, or `X-API-Key`.
    private func holder(of request: Request, _ keys: KeyRing) throws(Problem) -> APIKey {
        var problem = Problem(
            .unauthorized, "unauthorized", "An API key is needed: Authorization: Bearer, or X-API-Key.")
        problem.fields["www-authenticate"] = "Bearer"
        let fields = request.head.fields
        let secret: Substring
        if let authorization = fields["authorization"] {
            let parts = authorization.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "bearer" else { throw problem }
            secret = parts[1].drop { $0 == " " }
        } else if let value = fields["x-api-key"] {
            secret = value[...]
        } else {
            throw problem
        }
        guard let key = keys.holder(of: String(secret)) else {
            problem.detail = "The API key is not known."
            problem.fields["www-authenticate"] = "Bearer error=\"invalid_token\""
            throw problem
        }
        return key
    }

    /// What the Open Inference Protocol answers: in the body, and by 200 or, as the protocol has it, 400 and not 503.
    private static func health(_ question: String, _ isTrue: Bool) -> Response {
        var json = JSONWriter()
        json.beginObject()
        json.field(question, isTrue)
        json.endObject()
        var response = Response(json: json)
        if !isTrue { response.status = .badRequest }
        return response
    }

    private static func status(_ word: String) -> Response {
        var json = JSONWriter()
        json.beginObject()
        json.field("status", word)
        json.endObject()
        return Response(json: json)
    }
}

extension Request {
    /// Refuses a client that accepts nothing of what there is (RFC 9110 §15.5.7).
    func requireAccepted(_ answers: ServiceRoute.Answers) throws(Problem) {
        let types = answers.types
        guard !types.isEmpty, let first = head.fields["accept"], first != "*/*" else { return }
        let wanted = Preference(head.fields.values(of: "accept"))
        guard types.contains(where: { wanted.quality(ofType: $0) > 0 }) else {
            throw Problem(
                .notAcceptable, "not-acceptable",
                "There is \(types.joined(separator: ", ")) here, and Accept has none of it.")
        }
    }
}
