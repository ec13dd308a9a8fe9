import Foundation
import Recurrent
import TestSupport
import Testing

@Suite("State files that were made to deceive")
struct StateFileTests {
    private func model(layers: Int, kernel: Int? = 3) throws -> RecurrentModel {
        var random = RandomModel()
        (random.layers, random.kernel) = (layers, kernel)
        let folder = TemporaryFolder()
        return try ModelFolder(path: random.write(to: folder, name: "m")).model
    }

    /// A whole file of a state of `other`, with a digest that is right, that says it were of `model`; `change` changes
    /// its metadata, by their names, before the digest is computed, and `rewrite` the header after that.
    private func forge(
        _ other: RecurrentModel, as model: RecurrentModel, _ change: (inout [String: String]) -> Void = { _ in },
        rewrite: (String) -> String = { $0 }
    ) throws -> [UInt8] {
        let file = StateFile.encode(other.initialState, step: 3, of: other, called: "m")
        let length = 8 + file.bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let data = Array(file.bytes[length...])
        var header = try JSONSerialization.jsonObject(with: Data(file.bytes[8..<length])) as! [String: Any]
        var metadata = header["__metadata__"] as! [String: String]
        for (name, value) in zip(ModelIdentity.parts, model.identity.values) { metadata[name] = value }
        metadata["fingerprint"] = model.fingerprint
        change(&metadata)
        let sha = SHA256()
        for name in ["format", "format_version", "model"] + ModelIdentity.parts + ["fingerprint", "step"] {
            sha.update((metadata[name] ?? "") + "\n")
        }
        sha.update(data)
        metadata["sha256"] = sha.hexadecimal()
        header["__metadata__"] = metadata
        let text = rewrite(String(decoding: try JSONSerialization.data(withJSONObject: header), as: UTF8.self))
        let size = (0..<8).map { UInt8(truncatingIfNeeded: text.utf8.count >> (8 * $0)) }
        return size + Array(text.utf8) + data
    }

    private func refusal(_ bytes: [UInt8], _ model: RecurrentModel) -> StateFileError? {
        do throws(StateFileError) {
            _ = try StateFile(parsing: bytes).values(for: model)
            return nil
        } catch {
            return error
        }
    }

    @Test("another layer count, other windows and another precision are found behind a right fingerprint")
    func forged() throws {
        let model = try model(layers: 2)
        #expect(refusal(try forge(model, as: model), model) == nil)
        for other in [try self.model(layers: 3), try self.model(layers: 1), try self.model(layers: 2, kernel: 4)] {
            let found = refusal(try forge(other, as: model), model)
            guard case .corrupt? = found else {
                Issue.record("\(String(describing: found))")
                continue
            }
        }
        for type in ["F16", "I32", "F64"] {
            let bytes = try forge(model, as: model, rewrite: { $0.replacing("\"F32\"", with: "\"\(type)\"") })
            guard case .corrupt? = refusal(bytes, model) else {
                Issue.record("\(type): \(String(describing: refusal(bytes, model)))")
                continue
            }
        }
    }

    @Test("the largest step is taken, and every number beyond it is refused") func steps() throws {
        let model = try model(layers: 1)
        func file(_ step: Int) -> [UInt8] {
            StateFile.encode(model.initialState, step: step, of: model, called: "m").bytes
        }
        #expect(try StateFile(parsing: file(Steps.largest)).step == (1 << 53) - 1)
        for step in [Steps.largest + 1, .max, -1] {
            guard case .corrupt(let reason)? = refusal(file(step), model), reason.contains("its step") else {
                Issue.record("step \(step): \(String(describing: refusal(file(step), model)))")
                continue
            }
        }
    }

    @Test("a state of another model is refused with what differs") func other() throws {
        let (model, other) = (try model(layers: 2), try model(layers: 3))
        let file = StateFile.encode(other.initialState, step: 3, of: other, called: "its name")
        #expect(refusal(file.bytes, model) == .otherModel(name: "its name", identity: other.identity))
        #expect(other.identity.differences(from: model.identity) == ["architecture", "tensors"])
    }

    @Test(
        "metadata that are none are refused, with a right digest as well",
        arguments: [
            ("format_version", "1", "its format_version is not 2, the only one that this server reads"),
            ("format_version", "3", "its format_version is not 2, the only one that this server reads"),
            ("scan", "associative", "its fingerprint is not that of its identity"),
            ("weights", "int8", "its fingerprint is not that of its identity"),
            ("numerics", "1", "its fingerprint is not that of its identity"),
            ("tensors", String(repeating: "0", count: 64), "its fingerprint is not that of its identity"),
            ("fingerprint", String(repeating: "0", count: 64), "its fingerprint is not that of its identity"),
            ("scan", "", "its numerics, scan, weights, architecture, tensors are no identity of a model"),
            ("numerics", "2147483648", "its numerics, scan, weights, architecture, tensors are no identity of a model"),
            ("model", "", "its model is no name"), ("model", "a\nb", "its model is no name"),
            ("model", "\u{7F}", "its model is no name"),
            ("model", String(repeating: "m", count: 256), "its model is no name"),
        ])
    func metadata(name: String, value: String, reason: String) throws {
        let model = try model(layers: 1)
        let bytes = try forge(model, as: model) { $0[name] = value }
        #expect(refusal(bytes, model) == .corrupt(reason: reason))
        for name in ["format", "format_version", "model", "sha256", "step", "fingerprint"] + ModelIdentity.parts {
            let bytes = try forge(model, as: model, rewrite: { $0.replacing("\"\(name)\":", with: "\"x\":") })
            guard case .corrupt? = refusal(bytes, model) else {
                Issue.record("\(name): \(String(describing: refusal(bytes, model)))")
                continue
            }
        }
    }

    @Test("the digest covers all parts: one changed without it is found") func digest() throws {
        let model = try model(layers: 1)
        for (name, value) in zip(
            ModelIdentity.parts, ["3", "fast", "f8", model.identity.tensors, String(repeating: "a", count: 64)])
        {
            let parts = zip(ModelIdentity.parts, model.identity.values)
            let forged = try #require(ModelIdentity(values: parts.map { $0.0 == name ? value : $0.1 }))
            let bytes = try forge(
                model, as: model,
                rewrite: { text in
                    let old = model.identity.values[ModelIdentity.parts.firstIndex(of: name)!]
                    return text.replacing("\"\(name)\":\"\(old)\"", with: "\"\(name)\":\"\(value)\"")
                        .replacing(model.fingerprint, with: forged.fingerprint)
                })
            #expect(refusal(bytes, model) == .corrupt(reason: "its sha256 is not that of its contents"), "\(name)")
        }
    }
}
