import HTTP
import Inference
import JSON
import Kernels
import Recurrent

extension Service {
    /// `GET /v1/models`
    @Sendable func listModels(_ request: Request) async throws -> Response {
        var json = JSONWriter()
        json.beginObject()
        json.list(models.filter { request.maySee($0) }) { served, json in Self.write(served, to: &json) }
        json.endObject()
        return Response(json: json)
    }

    /// `GET /v1/models/{model}`
    @Sendable func getModel(_ request: Request) async throws -> Response {
        var json = JSONWriter()
        Self.write(try model(request.parameters["model"], request), to: &json)
        return Response(json: json)
    }

    private static func write(_ served: ServedModel, to json: inout JSONWriter) {
        let configuration = served.model.configuration
        json.beginObject()
        json.field("id", served.id)
        json.field("object", "model")
        json.field("created", served.created)
        json.field("owned_by", "scanstep")
        if let size = configuration.vocabularySize {
            json.field("kind", "tokens")
            json.field("vocabulary_size", size)
        } else {
            json.field("kind", "vectors")
            json.field("input_size", configuration.inputSize)
        }
        json.field("output_size", configuration.outputSize)
        json.field("cell", configuration.cellName)
        json.field("layers", configuration.layers)
        json.field("parameters", served.model.parameters)
        json.field("weights", served.model.weights.rawValue)
        json.field("scan", served.model.scan.rawValue)
        json.field("state_bytes", served.model.state.bytes)
        json.field("fingerprint", served.model.fingerprint)
        json.endObject()
    }
}
