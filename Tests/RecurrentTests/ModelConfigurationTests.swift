import TestSupport
import Testing

@testable import Recurrent

@Suite("config.json")
struct ModelConfigurationTests {
    private static let valid: [String: String] = [
        "cell": "\"minGRU\"", "candidate": "\"vanilla\"", "order": "\"paper\"", "layers": "1", "width": "4",
        "norm": "{\"kind\":\"rms\",\"epsilon\":1e-6}", "convolution": "{\"kernel\":2}", "mlp": "{\"width\":3}",
        "input": "{\"kind\":\"tokens\",\"vocabulary_size\":5}", "output": "{\"kind\":\"logits\"}",
    ]

    private static func refusal(_ changes: [String: String?]) -> String? {
        let fields = valid.merging(changes.compactMapValues { $0 }) { $1 }
            .filter { changes[$0.key] != .some(nil) }
        let text = "{" + fields.map { "\"\($0)\":\($1)" }.sorted().joined(separator: ",") + "}"
        guard case .configuration(_, let reason)? = failure({ _ = try load(text, [("x", [1], [0])]) }) else {
            return nil
        }
        return reason
    }

    @Test("the table's starting point is itself good: only its tensors are missing") func base() {
        #expect(Self.refusal([:]) == nil)
        #expect(Self.refusal(["norm": "null", "convolution": "null", "mlp": "null"]) == nil)
        #expect(Self.refusal(["norm": nil, "convolution": nil, "mlp": nil]) == nil)
    }

    private static let badValues: [(field: String, value: String)] = [
        ("cell", "\"S5\""), ("cell", "1"), ("cell", "null"), ("cell", "\"mingru\""), ("candidate", "\"log\""),
        ("order", "\"\""), ("order", "[]"), ("layers", "0"), ("layers", "-1"), ("layers", "1.0"),
        ("layers", "\"1\""), ("layers", "1025"), ("layers", "9223372036854775807"), ("width", "0"),
        ("width", "16777217"), ("width", "null"), ("width", "true"), ("inner_width", "0"), ("inner_width", "null"),
        ("norm", "\"rms\""), ("norm", "{}"), ("norm", "{\"kind\":\"batch\",\"epsilon\":1}"),
        ("norm", "{\"kind\":\"rms\"}"), ("norm", "{\"kind\":\"rms\",\"epsilon\":0}"),
        ("norm", "{\"kind\":\"rms\",\"epsilon\":-1e-6}"), ("norm", "{\"kind\":\"rms\",\"epsilon\":1e39}"),
        ("norm", "{\"kind\":\"rms\",\"epsilon\":1e-60}"), ("norm", "{\"kind\":\"rms\",\"epsilon\":1,\"x\":1}"),
        ("final_norm", "1"), ("final_norm", "null"), ("convolution", "3"), ("convolution", "{}"),
        ("convolution", "{\"kernel\":0}"), ("convolution", "{\"kernel\":1025}"),
        ("convolution", "{\"kernel\":2,\"pointwise\":1}"), ("convolution", "{\"kernel\":2,\"stride\":1}"),
        ("mlp", "4"), ("mlp", "{}"), ("mlp", "{\"width\":0}"), ("mlp", "{\"width\":2,\"gated\":true}"),
        ("input", "{}"), ("input", "null"), ("input", "{\"kind\":\"tokens\"}"),
        ("input", "{\"kind\":\"tokens\",\"vocabulary_size\":0}"), ("input", "{\"kind\":\"vectors\"}"),
        ("input", "{\"kind\":\"tokens\",\"vocabulary_size\":5,\"size\":1}"),
        ("input", "{\"kind\":\"vectors\",\"size\":-3}"), ("input", "{\"kind\":\"images\"}"),
        ("output", "{}"), ("output", "\"logits\""), ("output", "{\"kind\":\"logits\",\"size\":5}"),
        ("output", "{\"kind\":\"vectors\"}"), ("output", "{\"kind\":\"vectors\",\"size\":0}"),
        ("mlp", "{\"width\":2,\"activation\":\"relu\"}"), ("layer_widths", "4"), ("layer_widths", "[]"),
        ("layer_widths", "[4,4]"), ("layer_widths", "[0]"), ("layer_widths", "[\"4\"]"),
        ("input", "{\"kind\":\"tokens\",\"vocabulary_size\":5,\"map\":false}"),
        ("input", "{\"kind\":\"vectors\",\"size\":4,\"map\":0}"),
        ("output", "{\"kind\":\"vectors\",\"size\":3,\"map\":false}"), ("output", "{\"kind\":\"probabilities\"}"),
        ("output", "{\"kind\":\"probabilities\",\"size\":4,\"map\":false}"), ("surprise", "1"), ("Width", "4"),
    ]

    @Test("each bad value is refused with its field's name", arguments: badValues)
    func bad(field: String, value: String) {
        #expect(Self.refusal([field: value])?.contains(field) == true)
    }

    @Test(
        "each needed field is missed by name",
        arguments: ["cell", "candidate", "order", "layers", "width", "input", "output"])
    func missing(field: String) {
        #expect(Self.refusal([field: String?.none])?.contains(field) == true)
    }

    @Test("fields that do not go together are refused") func together() {
        #expect(Self.refusal(["norm": "null", "final_norm": "true"])?.contains("final_norm needs a norm") == true)
        #expect(Self.refusal(["input": "{\"kind\":\"vectors\",\"size\":2}"])?.contains("input of tokens") == true)
        let vectors = "{\"kind\":\"vectors\",\"size\":2,\"map\":false}"
        #expect(Self.refusal(["input": vectors, "output": vectors])?.contains("input.size must be width, 4") == true)
        #expect(Self.refusal(["order": "\"highway\""])?.contains("order highway") == true)
        #expect(Self.refusal(["order": "\"stacked\""])?.contains("order stacked") == true)
        #expect(Self.refusal(["layer_widths": "[7]"])?.contains("layer_widths need") == true)
        let bare = ["convolution": "null", "mlp": "null", "layer_widths": "[7]"]
        #expect(Self.refusal(bare) == nil)
        #expect(Self.refusal(bare.merging(["order": "\"minGRU-pytorch\""]) { $1 })?.contains("layer_widths") == true)
    }

    @Test("text that is not JSON, or no object, is refused", arguments: ["", "{", "[]", "1", "null", "{\"cell\":}"])
    func form(text: String) {
        let error = failure { _ = try load(text, [("x", [1], [0])]) }
        #expect(error != nil)
    }
}
