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

    /// A whole file of a state of `other`, with a digest that is right, that says it were of `model`.
    private func forge(_ other: RecurrentModel, as model: RecurrentModel, _ change: (String) -> String = { $0 })
        -> [UInt8]
    {
        let file = StateFile.encode(other.initialState, step: 3, of: other, called: "m")
        let length = 8 + file.bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let data = Array(file.bytes[length...])
        let sha = SHA256()
        for text in ["scanstep-state", "1", "m", model.fingerprint, "3"] { sha.update(text + "\n") }
        sha.update(data)
        let header = change(
            String(decoding: file.bytes[8..<length], as: UTF8.self)
                .replacingOccurrences(of: other.fingerprint, with: model.fingerprint)
                .replacingOccurrences(of: file.digest, with: sha.hexadecimal()))
        let size = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
        return size + Array(header.utf8) + data
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
        #expect(refusal(forge(model, as: model), model) == nil)
        for other in [try self.model(layers: 3), try self.model(layers: 1), try self.model(layers: 2, kernel: 4)] {
            guard case .corrupt? = refusal(forge(other, as: model), model) else {
                Issue.record("\(String(describing: refusal(forge(other, as: model), model)))")
                continue
            }
        }
        for type in ["F16", "I32", "F64"] {
            let bytes = forge(model, as: model) { $0.replacingOccurrences(of: "\"F32\"", with: "\"\(type)\"") }
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
}
