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
    let handler: @Sendable (Service) -> Handler

    init(
        _ method: Method, _ pattern: String, _ answers: Answers = .json, errors: ErrorShape = .problem,
        _ handler: @escaping @Sendable (Service) -> Handler
    ) {
        (self.method, self.pattern, self.answers, self.errors) = (method, pattern, answers, errors)
        self.handler = handler
    }

    static let all = native + openInference

    /// The Open Inference Protocol (KServe V2), with Triton's extensions.
    private static let openInference: [ServiceRoute] =
        ofModel("/v2/models/{model}") + ofModel("/v2/models/{model}/versions/{version}") + [
            .init(.get, "/v2", errors: .openInference) { $0.serverMetadata },
            .init(.get, "/v2/models/stats", errors: .openInference) { $0.allStatistics },
            .init(.post, "/v2/repository/index", errors: .openInference) { $0.repositoryIndex },
            .init(.post, "/v2/repository/models/{model}/load", .nothing, errors: .openInference) { $0.loadModel },
            .init(.post, "/v2/repository/models/{model}/unload", .nothing, errors: .openInference) { $0.unloadModel },
        ]

    private static func ofModel(_ path: String) -> [ServiceRoute] {
        [
            .init(.get, path, errors: .openInference) { $0.modelMetadata },
            .init(.get, path + "/ready", .nothing, errors: .openInference) { $0.modelReady },
            .init(.get, path + "/config", errors: .openInference) { $0.modelConfig },
            .init(.get, path + "/stats", errors: .openInference) { $0.modelStatistics },
            .init(.post, path + "/infer", .tensors, errors: .openInference) { $0.infer },
            .init(.post, path + "/generate", errors: .openInference) { $0.generateText },
            .init(.post, path + "/generate_stream", .stream, errors: .openInference) { $0.generateTextStream },
        ]
    }

    private static let native: [ServiceRoute] = [
        .init(.get, "/v1/models", errors: .openAI) { $0.listModels },
        .init(.get, "/v1/models/{model}", errors: .openAI) { $0.getModel },
        .init(.post, "/v1/completions", .stream, errors: .openAI) { $0.complete },
        .init(.post, "/v1/tokenize") { $0.tokenize },
        .init(.post, "/v1/detokenize") { $0.detokenize },
        .init(.post, "/v1/prefill", .stream) { $0.prefill },
        .init(.post, "/v1/step") { $0.step },
        .init(.post, "/v1/sessions") { $0.createSession },
        .init(.get, "/v1/sessions") { $0.listSessions },
        .init(.get, "/v1/sessions/{id}") { $0.getSession },
        .init(.delete, "/v1/sessions/{id}", .nothing) { $0.deleteSession },
        .init(.post, "/v1/sessions/{id}/prefill") { $0.prefillSession },
        .init(.post, "/v1/sessions/{id}/step") { $0.stepSession },
        .init(.post, "/v1/sessions/{id}/generate", .stream) { $0.generate },
        .init(.post, "/v1/sessions/{id}/stream", .stream) { $0.streamSession },
        .init(.post, "/v1/sessions/{id}/fork") { $0.fork },
        .init(.post, "/v1/sessions/{id}/checkpoints") { $0.makeCheckpoint },
        .init(.get, "/v1/sessions/{id}/checkpoints") { $0.listCheckpoints },
        .init(.delete, "/v1/sessions/{id}/checkpoints/{name}", .nothing) { $0.deleteCheckpoint },
        .init(.post, "/v1/sessions/{id}/rewind") { $0.rewind },
        .init(.get, "/v1/sessions/{id}/output") { $0.getOutput },
        .init(.get, "/v1/sessions/{id}/state", .bytes) { $0.getState },
        .init(.put, "/v1/sessions/{id}/state") { $0.putState },
    ]
}
