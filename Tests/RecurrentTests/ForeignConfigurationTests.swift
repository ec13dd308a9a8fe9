import Foundation
import TestSupport
import Testing

@testable import Recurrent

@Suite("A config.json of somebody else's beside a published layout")
struct ForeignConfigurationTests {
    private static let tensors = PyTorchCheckpoint().tensors

    @Test(
        "Hugging Face's, and constructor arguments as PyTorchModelHubMixin writes them, are not used",
        arguments: [
            #"{"architectures": ["MinGRULM"], "model_type": "mingru", "torch_dtype": "float32", "vocab_size": 11}"#,
            #"{"num_tokens": 11, "dim": 6, "depth": 2, "expansion": 1.5}"#, "{}",
            #"{"layers": 2, "width": 6, "norm": "rms", "cell": "gru"}"#, #"{"residual": true, "input": 3}"#,
        ])
    func foreign(text: String) throws {
        let folder = try load(text, Self.tensors)
        #expect(try folder.model.configuration == load(nil, Self.tensors).model.configuration)
        let remark = try #require(folder.remark)
        #expect(remark.hasPrefix("config.json is not Scanstep's (its fields: "))
        #expect(remark.hasSuffix("and was not used: the tensors are the layout minGRU-pytorch"))
    }

    @Test("the remark names the first fields") func fields() throws {
        #expect(try load(#"{"a": 1, "b": 2}"#, Self.tensors).remark?.contains("(its fields: a, b)") == true)
        let many = #"{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}"#
        #expect(try load(many, Self.tensors).remark?.contains("(its fields: a, b, c, d, …)") == true)
        #expect(try load(nil, Self.tensors).remark == nil)
    }

    @Test(
        "Scanstep's own with a mistake stays an error",
        arguments: [
            (#"{"layout": "minGRU"}"#, "layout must be one of"), (#"{"layout": null}"#, "layout must be one of"),
            (#"{"layout": "minGRU-pytorch", "model_type": "mingru"}"#, "there is no field \"model_type\""),
            (#"{"layuot": "minRNNs", "normalised_gates": true}"#, "there is no field \"layuot\""),
            (#"{"normalised_gates": true}"#, "layout must be one of"),
            (#"{"cell": "minGRU", "order": "paper"}"#, "candidate must be one of"),
            (#"{"cell": "minGRU", "candidate": "vanilla", "ordr": "paper"}"#, "unknown field \"ordr\""),
            (#"{"candidate": "vanilla", "order": "paper", "cel": "minGRU"}"#, "unknown field \"cel\""),
            ("[]", "must be an object"), ("1", "must be an object"), ("{", "not JSON"),
        ])
    func own(text: String, reason: String) {
        let error = failure { _ = try load(text, Self.tensors) }
        #expect(error?.description.contains(reason) == true, "\(error.map { "\($0)" } ?? "no error")")
    }

    @Test("beside tensors of Scanstep's names any config.json is read as Scanstep's") func native() {
        let error = failure { _ = try load(#"{"width": 24}"#, RandomModel().tensors) }
        #expect(error?.description.contains("cell must be one of") == true)
    }

    @Test("Scanstep's own, of the architecture, beside a published layout says what is the matter") func mixed() {
        let error = failure { _ = try load(RandomModel().configuration, Self.tensors) }
        #expect(error?.description.contains("the layout minGRU-pytorch, which needs no config.json; remove it") == true)
    }

    @Test("beside tensors of no known layout the error says whose the config.json is") func unknown() {
        let error = failure { _ = try load(#"{"model_type": "gpt2"}"#, [("x", [1], [0])]) }
        #expect(error == .unknownLayout(tensors: ["x"], isForeign: true))
        #expect(
            error?.description.hasPrefix("its config.json is not Scanstep's, and the tensor names (x) are no") == true)
    }
}
