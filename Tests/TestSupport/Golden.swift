import Foundation
import Recurrent

/// The committed model folders that PyTorch made, and what PyTorch computed with them.
public enum Golden {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Golden").path

    /// What the package minGRU-pytorch itself has made and computed.
    public static let packaged = names(in: folder)
    /// Checkpoints as others publish them.
    public static let published = names(in: folder + "/layouts")
    public static let models = packaged + published
    /// Cells of torch and ParaRNN, alone and inside modules.
    public static let cells = names(in: folder + "/cells")
    /// Cells that start from given states: `started-` and the name of the case.
    public static let started = names(in: folder + "/cells-started").map { "started-" + $0 }

    private static func names(in folder: String) -> [String] {
        try! FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)/model.safetensors") }.sorted()
    }

    /// Where the folder of `model` is.
    public static func path(of model: String) -> String {
        if started.contains(model) { return folder + "/cells-started/" + model.dropFirst("started-".count) }
        return folder
            + [(packaged, "/"), (published, "/layouts/"), (cells, "/cells/")].first { $0.0.contains(model) }!.1
            + model
    }

    /// A float32 tensor of the golden file of `model`; nil where there is none.
    public static func tensor(_ name: String, of model: String) throws -> (shape: [Int], values: [Float])? {
        try words(in: model)(name).map { ($0.shape, $0.words.map { Float(bitPattern: $0) }) }
    }

    /// The inputs that were sent through `model` and the outputs after each, by PyTorch's whole-sequence call.
    public static func expectation(of model: String) throws -> (inputs: InputSequence, outputs: [[Float]]) {
        let words = try words(in: model)
        let outputs = words("logits") ?? words("outputs")!
        let width = outputs.shape[1]
        let rows = (0..<outputs.shape[0]).map { row in
            outputs.words[row * width..<(row + 1) * width].map { Float(bitPattern: $0) }
        }
        if let tokens = words("tokens") { return (.tokens(tokens.words.map(Int.init)), rows) }
        let vectors = words("vectors")!
        return (.vectors(vectors.words.map { Float(bitPattern: $0) }, count: vectors.shape[0]), rows)
    }

    /// The 32-bit values of tensors of a golden file, and their shapes.
    private static func words(in model: String) throws -> (String) -> (shape: [Int], words: [UInt32])? {
        let data = try Data(contentsOf: URL(fileURLWithPath: "\(path(of: model)).golden.safetensors"))
        let length = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = try JSONSerialization.jsonObject(with: data[8..<8 + length]) as! [String: Any]
        return { name in
            guard let entry = header[name] as? [String: Any] else { return nil }
            let offsets = entry["data_offsets"] as! [Int]
            let bytes = [UInt8](data[8 + length + offsets[0]..<8 + length + offsets[1]])
            let words = stride(from: 0, to: bytes.count, by: 4).map { at in
                (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) }
            }
            return (entry["shape"] as! [Int], words)
        }
    }
}
