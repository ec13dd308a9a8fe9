import HTTP
import Inference
import JSON
import Recurrent
import Sessions

extension ServedModel {
    /// What the Open Inference Protocol calls its version: the beginning of its fingerprint.
    var version: String { String(model.fingerprint.prefix(16)) }
}

extension Service {
    /// The model of a request, of the version that its path may ask for.
    func versioned(_ request: Request) throws(Problem) -> ServedModel {
        let served = try model(request.parameters["model"], request)
        guard let version = request.parameters.value("version") else { return served }
        guard version == served.version || version == served.model.fingerprint else {
            throw Problem(
                .notFound, "model-not-found",
                "Model \"\(served.id)\" has no version \"\(version)\"; version \"\(served.version)\" is served.")
        }
        return served
    }

    /// `GET /v2`
    @Sendable func serverMetadata(_ request: Request) async throws -> Response {
        var json = JSONWriter()
        json.beginObject()
        json.field("name", "scanstep")
        json.field("version", Self.version)
        json.key("extensions")
        json.beginArray()
        for name in [
            "binary_tensor_data", "sequence", "sequence(string_id)", "model_configuration", "model_repository",
            "statistics", "generate",
        ] { json.string(name) }
        json.endArray()
        json.endObject()
        return Response(json: json)
    }

    /// As `openapi.yaml` has it.
    static let version = "0.1.0"

    /// `GET /v2/models/{model}`
    @Sendable func modelMetadata(_ request: Request) async throws -> Response {
        let served = try versioned(request)
        let signature = InferSignature(served)
        var json = JSONWriter()
        json.beginObject()
        json.field("name", served.id)
        json.key("versions")
        json.beginArray()
        json.string(served.version)
        json.endArray()
        json.field("platform", "scanstep")
        func tensors(_ name: String, _ main: String, _ type: TensorDatatype, _ shape: [Int]) {
            json.key(name)
            json.beginArray()
            for (name, type, shape) in [(main, type, shape), ("state", .bytes, [-1])] {
                json.beginObject()
                json.field("name", name)
                json.field("datatype", type.rawValue)
                json.key("shape")
                json.ints(shape)
                json.endObject()
            }
            json.endArray()
        }
        tensors("inputs", signature.input, signature.inputType, [-1, -1] + (signature.features.map { [$0] } ?? []))
        tensors("outputs", signature.output, .float32, [-1, -1, signature.outputSize])
        json.endObject()
        return Response(json: json)
    }

    /// `GET /v2/models/{model}/ready`: 200 for one that is served.
    @Sendable func modelReady(_ request: Request) async throws -> Response {
        let served = try versioned(request)
        var json = JSONWriter()
        json.beginObject()
        json.field("name", served.id)
        json.field("ready", true)
        json.endObject()
        return Response(json: json)
    }

    /// `GET /v2/models/{model}/config`, as Triton tells of a model. Dimensions are without that of the batch.
    @Sendable func modelConfig(_ request: Request) async throws -> Response {
        let served = try versioned(request)
        let signature = InferSignature(served)
        var json = JSONWriter()
        json.beginObject()
        json.field("name", served.id)
        json.field("platform", "scanstep")
        json.field("backend", "scanstep")
        json.field("max_batch_size", Self.batchLimit)
        func tensors(_ name: String, _ main: String, _ type: String, _ dims: [Int]) {
            json.key(name)
            json.beginArray()
            for (tensor, type, dims) in [(main, type, dims), ("state", "TYPE_STRING", [])] {
                json.beginObject()
                json.field("name", tensor)
                json.field("data_type", type)
                json.key("dims")
                json.ints(dims)
                if name == "input", tensor == "state" { json.field("optional", true) }
                json.endObject()
            }
            json.endArray()
        }
        tensors(
            "input", signature.input, signature.features == nil ? "TYPE_INT64" : "TYPE_FP32",
            [-1] + (signature.features.map { [$0] } ?? []))
        tensors("output", signature.output, "TYPE_FP32", [-1, signature.outputSize])
        json.key("sequence_batching")
        json.beginObject()
        if policy.idle < .infinity { json.field("max_sequence_idle_microseconds", Int(policy.idle * 1e6)) }
        json.endObject()
        json.endObject()
        return Response(json: json)
    }

    /// `GET /v2/models/{model}/stats`
    @Sendable func modelStatistics(_ request: Request) async throws -> Response {
        statistics(of: [try versioned(request)])
    }

    /// `GET /v2/models/stats`
    @Sendable func allStatistics(_ request: Request) async throws -> Response {
        statistics(of: models.filter { request.maySee($0) })
    }

    private func statistics(of models: [ServedModel]) -> Response {
        var json = JSONWriter()
        json.beginObject()
        json.key("model_stats")
        json.beginArray()
        for served in models { inferStatistics.write(served, to: &json) }
        json.endArray()
        json.endObject()
        return Response(json: json)
    }
}
