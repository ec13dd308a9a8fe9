import Foundation
import TestSupport

/// A model folder that must be refused at start.
struct BrokenModel: Sendable, CustomStringConvertible {
    let name: String
    /// Words that the reason has in it.
    let reason: String
    let write: @Sendable (TemporaryFolder, String) -> Void

    var description: String { name }

    private init(_ name: String, _ reason: String, _ write: @escaping @Sendable (TemporaryFolder, String) -> Void) {
        (self.name, self.reason, self.write) = (name, reason, write)
    }

    /// A good model with the bytes of its file changed.
    private static func file(
        _ name: String, _ reason: String, _ change: @escaping @Sendable (Data) -> Data
    ) -> BrokenModel {
        BrokenModel(name, reason) { folder, name in
            RandomModel().write(to: folder, name: name)
            folder.write(name + "/model.safetensors", change(Safetensors.data(RandomModel().tensors)))
        }
    }

    /// A file of nothing but this header and so many zero bytes.
    private static func header(_ name: String, _ reason: String, _ header: String, _ bytes: Int) -> BrokenModel {
        file(name, reason) { _ in Safetensors.data(header: header, body: Data(count: bytes)) }
    }

    /// A good model with its configuration replaced.
    private static func configuration(
        _ name: String, _ reason: String, _ change: @escaping @Sendable (String) -> String
    ) -> BrokenModel {
        BrokenModel(name, reason) { folder, name in
            RandomModel().write(to: folder, name: name)
            folder.write(name + "/config.json", change(RandomModel().configuration))
        }
    }

    private static func tensor(_ from: Int, _ to: Int, _ type: String = "F32", shape: String = "[2]") -> String {
        "{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(from),\(to)]}"
    }

    static let all = [
        file("truncated", "truncated") { $0.dropLast(1000) },
        file("one-byte-short", "truncated") { $0.dropLast() },
        file("header-only", "truncated") { Data($0.prefix(8 + Int($0[0]) + Int($0[1]) << 8)) },
        file("cut-header", "does not fit") { $0.prefix(100) },
        file("seven-bytes", "only 7 bytes") { $0.prefix(7) },
        file("empty", "empty") { _ in Data() },
        file("longer", "belong to no tensor") { $0 + Data(count: 4) },
        file("huge-header", "does not fit") { Data([255, 255, 255, 255, 255, 255, 255, 127]) + $0.dropFirst(8) },
        file("no-json", "not JSON") { $0.prefix(8) + Data([0x78]) + $0.dropFirst(9) },
        header("overlapping", "overlaps", "{\"a\":\(tensor(0, 8)),\"b\":\(tensor(4, 12))}", 12),
        header("twins", "overlaps", "{\"a\":\(tensor(0, 8)),\"b\":\(tensor(0, 8))}", 8),
        header("gapped", "belong to none", "{\"a\":\(tensor(0, 8)),\"b\":\(tensor(12, 20))}", 20),
        header("late", "belong to none", "{\"a\":\(tensor(4, 12))}", 12),
        header("backwards", "truncated or wrong", "{\"a\":\(tensor(8, 0))}", 8),
        header("negative", "truncated or wrong", "{\"a\":\(tensor(-8, 0))}", 8),
        header("misshapen", "needs 12 bytes", "{\"a\":\(tensor(0, 8, shape: "[3]"))}", 8),
        header("overflowing", "has shape", "{\"a\":\(tensor(0, 8, shape: "[4294967296,4294967296,4]"))}", 8),
        header("repeated", "stands twice", "{\"a\":\(tensor(0, 8)),\"a\":\(tensor(8, 16))}", 16),
        header("array", "not a JSON object", "[]", 0),
        header("shapeless", "lacks", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8),
        header("strangers", "is missing", "{\"a\":\(tensor(0, 8))}", 8),
        BrokenModel("unknown-layout", "no known layout") { folder, name in
            folder.write(name + "/model.safetensors", Safetensors.data([("conv9.weight", [2], [1, 2])]))
        },
        BrokenModel("infinite", "NaN or infinity") { folder, name in
            RandomModel().write(to: folder, name: name)
            var tensors = RandomModel().tensors
            tensors[2].values[0] = .infinity
            folder.write(name + "/model.safetensors", Safetensors.data(tensors))
        },
        BrokenModel("integers", "expected F32, F16 or BF16") { folder, name in
            RandomModel().write(to: folder, name: name)
            folder.write(name + "/model.safetensors", Safetensors.data(RandomModel().tensors).withIntegers())
        },
        BrokenModel("wrong-width", "has shape") { folder, name in
            RandomModel().write(to: folder, name: name)
            var other = RandomModel()
            other.width = 16
            folder.write(name + "/model.safetensors", Safetensors.data(other.tensors))
        },
        configuration("config-no-json", "not JSON") { $0.dropLast(3).description },
        configuration("config-cell", "cell must be one of") { $0.replacing("minGRU", with: "transformer") },
        configuration("config-unknown", "unknown field \"heads\"") {
            $0.replacing("\"cell\"", with: "\"heads\": 8, \"cell\"")
        },
        configuration("config-layers", "layers must be") { $0.replacing("\"layers\": 2", with: "\"layers\": 0") },
        configuration("config-more-layers", "is missing") { $0.replacing("\"layers\": 2", with: "\"layers\": 3") },
        configuration("config-type", "width must be") { $0.replacing("\"width\": 24", with: "\"width\": \"24\"") },
        BrokenModel("tokenizer", "20 tokens") { folder, name in
            RandomModel().write(to: folder, name: name, characters: "abcdefghijklmnopqrst")
        },
        BrokenModel("tokenizer-twice", "repetitions") { folder, name in
            RandomModel().write(to: folder, name: name, characters: "abcdefghijklmnopqra")
        },
    ]
}

extension Data {
    /// A safetensors file with every type called I32, which has as many bytes.
    fileprivate func withIntegers() -> Data {
        var copy = self
        while let range = copy.firstRange(of: Data("\"F32\"".utf8)) {
            copy.replaceSubrange(range, with: Data("\"I32\"".utf8))
        }
        return copy
    }
}
