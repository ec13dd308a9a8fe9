import HTTP
import Inference
import JSON
import Recurrent

extension Service {
    /// `POST /v1/tokenize`: the tokens of a text.
    @Sendable func tokenize(_ request: Request) async throws -> Response {
        let fields = try await Fields(body: request, allowed: ["model", "text"])
        let served = try model(try fields.required("model"), request)
        guard let text = fields["text"] else { throw Problem.invalid("text is missing.", "text") }
        let tokens = try fields.tokens(ofText: text, "text", served)
        var json = JSONWriter(capacity: 64 + 6 * tokens.count)
        json.beginObject()
        json.field("model", served.id)
        json.key("tokens")
        json.ints(tokens)
        json.endObject()
        return Response(json: json)
    }

    /// `POST /v1/detokenize`: the text of tokens.
    @Sendable func detokenize(_ request: Request) async throws -> Response {
        let fields = try await Fields(body: request, allowed: ["model", "tokens"])
        let served = try model(try fields.required("model"), request)
        guard let tokenizer = served.tokenizer else {
            throw Problem.invalid("Model \"\(served.id)\" has no tokenizer, so its tokens have no text.", "model")
        }
        guard let list = fields["tokens"] else { throw Problem.invalid("tokens is missing.", "tokens") }
        let tokens = try fields.tokens(list, "tokens", served)
        var json = JSONWriter(capacity: 64 + 4 * tokens.count)
        json.beginObject()
        json.field("model", served.id)
        json.field("text", tokenizer.decode(tokens))
        json.endObject()
        return Response(json: json)
    }
}
