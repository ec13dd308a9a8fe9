import Foundation

/// The committed model folders that PyTorch made, and what PyTorch computed with them.
public enum Golden {
    public static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Golden").path

    /// Names of the model folders.
    public static let models = try! FileManager.default.contentsOfDirectory(atPath: folder)
        .filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)/model.safetensors") }.sorted()

    /// The tokens that were sent through `model` and the logits after each, by PyTorch's whole-sequence call.
    public static func expectation(of model: String) throws -> (tokens: [Int], logits: [[Float]]) {
        let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(model).golden.safetensors"))
        let length = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = try JSONSerialization.jsonObject(with: data[8..<8 + length]) as! [String: Any]
        func words(_ name: String) -> (shape: [Int], words: [UInt32]) {
            let entry = header[name] as! [String: Any]
            let offsets = entry["data_offsets"] as! [Int]
            let bytes = [UInt8](data[8 + length + offsets[0]..<8 + length + offsets[1]])
            let words = stride(from: 0, to: bytes.count, by: 4).map { at in
                (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) }
            }
            return (entry["shape"] as! [Int], words)
        }
        let logits = words("logits")
        let width = logits.shape[1]
        return (
            words("tokens").words.map(Int.init),
            (0..<logits.shape[0]).map { row in
                logits.words[row * width..<(row + 1) * width].map { Float(bitPattern: $0) }
            }
        )
    }
}
