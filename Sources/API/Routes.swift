import HTTP

/// A route of the service, and what the way in to it asks.
struct ServiceRoute: Sendable {
    enum Answers: Sendable {
        case json
        /// JSON, or a stream of it as lines or events.
        case stream
        case yaml
        /// JSON, or JSON and bytes behind it.
        case tensors
        case bytes
        case nothing

        /// Media types of which a client must accept one.
        var types: [String] {
            switch self {
            case .json: ["application/json", "application/problem+json"]
            case .stream: ["application/json", "application/x-ndjson", "text/event-stream"]
            case .yaml: ["application/yaml", "text/yaml", "text/plain"]
            case .bytes: ["application/octet-stream"]
            case .tensors: ["application/json", "application/octet-stream"]
            case .nothing: []
            }
        }
    }

    let method: Method
    let pattern: String
    var answers = Answers.json
    var errors = ErrorShape.problem
    let keys: Keys
    let handler: @Sendable (Service) -> Handler

    init(
        _ method: Method, _ pattern: String, _ answers: Answers = .json, errors: ErrorShape = .problem,
        keys: Keys? = nil, _ handler: @escaping @Sendable (Service) -> Handler
    ) {
        (self.method, self.pattern, self.answers, self.errors) = (method, pattern, answers, errors)
        self.keys = keys ?? .usual(method)
        self.handler = handler
    }

    static let all = native + openInference

    /// The Open Inference Protocol (KServe V2), with Triton's extensions.
    private static let openInference: [ServiceRoute] =
        ofModel("/v2/models/{model}") + ofModel("/v2/models/{model}/versions/{version}") + [
            .init(.get, "/v2", errors: .openInference) { $0.serverMetadata },
            .init(.get, "/v2/models/stats", errors: .openInference) { $0.allStatistics },
            .init(.post, "/v2/repository/index", errors: .openInference, keys: .needless) { $0.repositoryIndex },
            .init(.post, "/v2/repository/models/{model}/load", .nothing, errors: .openInference) { $0.loadModel },
            .init(.post, "/v2/repository/models/{model}/unload", .nothing, errors: .openInference) { $0.unloadModel },
        ]

    private static let ofStreams = Keys.refused("a stream has moved its session by each step that it has reported.")

    private static func ofModel(_ path: String) -> [ServiceRoute] {
        [
            .init(.get, path, errors: .openInference) { $0.modelMetadata },
            .init(.get, path + "/ready", .nothing, errors: .openInference) { $0.modelReady },
            .init(.get, path + "/config", errors: .openInference) { $0.modelConfig },
            .init(.get, path + "/stats", errors: .openInference) { $0.modelStatistics },
            .init(.post, path + "/infer", .tensors, errors: .openInference, keys: .kept) { $0.infer },
            .init(.post, path + "/generate", errors: .openInference, keys: .kept) { $0.generateText },
            .init(
                .post, path + "/generate_stream", .stream, errors: .openInference, keys: ofStreams
            ) { $0.generateTextStream },
        ]
    }

    private static let native: [ServiceRoute] = [
        .init(.get, "/v1/models", errors: .openAI) { $0.listModels },
        .init(.get, "/v1/models/{model}", errors: .openAI) { $0.getModel },
        .init(
            .post, "/v1/completions", .stream, errors: .openAI,
            keys: .refused("a key belongs to one session; use /v1/sessions/{id}/generate.")
        ) { $0.complete },
        .init(.post, "/v1/tokenize", keys: .needless) { $0.tokenize },
        .init(.post, "/v1/detokenize", keys: .needless) { $0.detokenize },
        .init(
            .post, "/v1/prefill", .stream,
            keys: .refused("a key belongs to one session; absorb by /v1/sessions/{id}/prefill.")
        ) { $0.prefill },
        .init(
            .post, "/v1/step",
            keys: .refused("a key belongs to one session; step each by itself, or give expected_step.")
        ) { $0.step },
        .init(.post, "/v1/sessions", keys: .kept) { $0.createSession },
        .init(.get, "/v1/sessions") { $0.listSessions },
        .init(.get, "/v1/sessions/{id}") { $0.getSession },
        .init(.delete, "/v1/sessions/{id}", .nothing) { $0.deleteSession },
        .init(.post, "/v1/sessions/{id}/prefill", keys: .kept) { $0.prefillSession },
        .init(.post, "/v1/sessions/{id}/step", keys: .kept) { $0.stepSession },
        .init(.post, "/v1/sessions/{id}/generate", .stream, keys: .kept) { $0.generate },
        .init(
            .post, "/v1/sessions/{id}/stream", .stream,
            keys: .refused("each line moves the session; give expected_step with it.")
        ) { $0.streamSession },
        .init(.post, "/v1/sessions/{id}/fork", keys: .kept) { $0.fork },
        .init(.post, "/v1/sessions/{id}/checkpoints", keys: .kept) { $0.makeCheckpoint },
        .init(.get, "/v1/sessions/{id}/checkpoints") { $0.listCheckpoints },
        .init(.delete, "/v1/sessions/{id}/checkpoints/{name}", .nothing) { $0.deleteCheckpoint },
        .init(.post, "/v1/sessions/{id}/rewind", keys: .kept) { $0.rewind },
        .init(.get, "/v1/sessions/{id}/output") { $0.getOutput },
        .init(.get, "/v1/sessions/{id}/state", .bytes) { $0.getState },
        .init(.put, "/v1/sessions/{id}/state", keys: .kept) { $0.putState },
    ]
}
