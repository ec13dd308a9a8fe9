import Foundation
import TestSupport
import Testing

@testable import Recurrent

@Suite("tokenizer.json of byte pairs")
struct BytePairTokenizerTests {
    /// A file with the 256 bytes, `a b` merged, and `changes` at the top or in the model.
    private func json(_ changes: [String: Any] = [:], model: [String: Any] = [:], vocab: [String: Int] = [:]) -> String
    {
        var names: [String: Int] = ["ab": 256]
        for byte in 0..<256 { names[ByteAlphabet.text(of: UInt8(byte))] = byte }
        let all: [String: Any] = ["type": "BPE", "vocab": names.merging(vocab) { $1 }, "merges": ["a b"]]
        let root: [String: Any] = [
            "model": all.merging(model) { $1 }, "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false],
            "decoder": ["type": "ByteLevel"], "added_tokens": [["id": 257, "content": "<|endoftext|>"]],
        ]
        let data = try! JSONSerialization.data(withJSONObject: root.merging(changes) { $1 })
        return String(decoding: data, as: UTF8.self)
    }

    private func tokenizer(_ json: String, vocabulary: Int = 300) throws -> (any Tokenizer)? {
        var model = RandomModel()
        model.vocabularySize = vocabulary
        return try load(model.configuration, Safetensors.data(model.tensors), tokenizer: json).tokenizer
    }

    @Test("a model may have more tokens than its tokenizer; text comes back") func loading() throws {
        let tokenizer = try #require(try tokenizer(json()))
        #expect(tokenizer.vocabularySize == 258 && tokenizer.endOfText == 257)
        #expect(try tokenizer.encode("cab é<|endoftext|>") == [99, 256, 32, 0xC3, 0xA9, 257])
        #expect(tokenizer.decode([99, 256, 32, 0xC3, 0xA9, 257, 299]) == "cab é<|endoftext|>")
    }

    @Test("merges may be pairs of strings, and a leading blank may be added") func forms() throws {
        let pairs = try #require(try tokenizer(json(model: ["merges": [["a", "b"]]])))
        #expect(try pairs.encode("ab") == [256])
        let prefixed = ["pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": true]]
        let tokenizer = try #require(try tokenizer(json(prefixed)))
        #expect(try tokenizer.encode("ab") == [32, 256] && tokenizer.encode(" ab") == [32, 256])
    }

    @Test("what is not served is refused, and it is said what would be") func refusals() {
        let cases: [(String, String)] = [
            (json(["pre_tokenizer": ["type": "Whitespace"]]), "pre_tokenizer must be ByteLevel"),
            (json(["decoder": ["type": "WordPiece"]]), "decoder must be ByteLevel"),
            (json(["normalizer": ["type": "Lowercase"]]), "normalizer must be NFC or null"),
            (json(["post_processor": ["type": "TemplateProcessing"]]), "post_processor must be ByteLevel or null"),
            (json(["added_tokens": [["id": 1]]]), "each of added_tokens must have content and an id"),
            (json(["added_tokens": [["id": -1, "content": "x"]]]), "each of added_tokens"),
            (json(["added_tokens": [["id": 1, "content": "x", "single_word": true]]]), "single_word"),
            (json(model: ["type": "WordPiece"]), "model.type must be BPE"),
            (json(model: ["byte_fallback": true]), "byte_fallback must be false"),
            (json(model: ["continuing_subword_prefix": "##"]), "continuing_subword_prefix must be empty"),
            (json(model: ["merges": ["a c"]]), "model.merges[0]"), (json(model: ["merges": ["ab"]]), "model.merges[0]"),
            (json(model: ["merges": "a b"]), "model.merges must be an array"),
            (json(model: ["vocab": ["a": 0]]), "lacks tokens of single bytes"),
            (json(vocab: ["zz": 97]), "two tokens of id 97"), (json(vocab: ["zz": -1]), "no id for zz"),
        ]
        for (json, reason) in cases {
            let error = failure { _ = try tokenizer(json) }
            #expect(error?.description.contains(reason) == true, "\(reason): \(error.map { "\($0)" } ?? "accepted")")
        }
        #expect(failure { _ = try tokenizer(json(), vocabulary: 257) }?.description.contains("258 tokens") == true)
    }
}
