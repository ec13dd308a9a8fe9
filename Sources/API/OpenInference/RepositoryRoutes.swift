import HTTP
import Inference
import JSON

extension Service {
    /// `POST /v2/repository/index`
    @Sendable func repositoryIndex(_ request: Request) async throws -> Response {
        let body = try await request.body()
        let fields = try body.isEmpty ? nil : Fields(bytes: body, allowed: ["ready"])
        let readyOnly = try fields?.bool("ready") ?? false
        let served = models
        var json = JSONWriter()
        json.beginArray()
        for entry in repository?.index() ?? served.map({ ModelIndexEntry(name: $0.id, reason: nil) })
        where request.maySee(entry.name) && !(readyOnly && entry.reason != nil) {
            json.beginObject()
            json.field("name", entry.name)
            if let served = served.first(where: { $0.id == entry.name }) { json.field("version", served.version) }
            json.field("state", entry.reason == nil ? "READY" : "UNAVAILABLE")
            json.field("reason", entry.reason ?? "")
            json.endObject()
        }
        json.endArray()
        return Response(json: json)
    }

    /// `POST /v2/repository/models/{model}/load`
    @Sendable func loadModel(_ request: Request) async throws -> Response {
        try await control(request) { (repository, name) async throws(ModelRepositoryError) in
            try await repository.load(name)
        }
    }

    /// `POST /v2/repository/models/{model}/unload`
    @Sendable func unloadModel(_ request: Request) async throws -> Response {
        try await control(request) { (repository, name) async throws(ModelRepositoryError) in
            try await repository.unload(name)
        }
    }

    private func control(
        _ request: Request,
        _ body: (any ModelRepository, String) async throws(ModelRepositoryError) -> Void
    ) async throws -> Response {
        let name = request.parameters["model"]
        let bytes = try await request.body()
        if !bytes.isEmpty {
            let fields = try Fields(bytes: bytes, allowed: ["parameters"])
            if let parameters = fields["parameters"] {
                // There are no ensembles whose parts could be unloaded; configurations are the folder's.
                _ = try Fields(parameters, at: "parameters.", allowed: ["unload_dependents"]).bool("unload_dependents")
            }
        }
        guard request.maySee(name) else {
            throw Problem(.forbidden, "model-forbidden", "This API key may not use model \"\(name)\".")
        }
        guard let repository, repository.isControlled else {
            throw Problem(
                .forbidden, "model-control-off",
                "Models are not loaded or unloaded by clients: this server was started without --model-control explicit."
            )
        }
        do throws(ModelRepositoryError) {
            try await body(repository, name)
        } catch {
            throw switch error {
            case .unknown:
                Problem(
                    .notFound, "model-not-found",
                    "failed to load '\(name)': the folder of models has none of that name")
            case .notServed: Problem(.notFound, "model-not-found", "failed to unload '\(name)': it is not served")
            case .unreadable(let reason):
                Problem(.badRequest, "model-refused", "failed to load '\(name)': \(reason)")
            case .folderUnreadable(let reason):
                Problem(
                    .serviceUnavailable, "overloaded",
                    "failed to load '\(name)': the folder of models cannot be read: \(reason)"
                ).retryable(after: 1)
            case .otherWeights:
                Problem(
                    .conflict, "state-model-mismatch",
                    "failed to load '\(name)': other weights were served under this name, and sessions are of them; "
                        + "a restart takes the new ones")
            case .noThread:
                Problem(.serviceUnavailable, "overloaded", "The system has no thread to spare for '\(name)'.")
                    .retryable(after: 1)
            }
        }
        return Response()
    }
}
