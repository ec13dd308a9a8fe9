import Foundation
import Kernels
import TestSupport

@testable import Recurrent

typealias NamedTensor = (name: String, shape: [Int], values: [Float])

/// Loads a folder of these tensors; `configuration` nil leaves `config.json` out.
func load(
    _ configuration: String?, _ tensors: [NamedTensor], weights: WeightType? = nil
) throws -> ModelFolder {
    try load(configuration, Safetensors.data(tensors), weights: weights)
}

func load(
    _ configuration: String?, _ data: Data, tokenizer: String? = nil, weights: WeightType? = nil
) throws -> ModelFolder {
    let folder = TemporaryFolder()
    if let configuration { folder.write("model/config.json", configuration) }
    if let tokenizer { folder.write("model/tokenizer.json", tokenizer) }
    folder.write("model/model.safetensors", data)
    return try ModelFolder(path: folder.path + "/model", weights: weights)
}

/// Opens a file of these bytes.
func open(_ data: Data) throws -> TensorFile {
    let folder = TemporaryFolder()
    return try TensorFile(path: folder.write("x.safetensors", data))
}

/// What `body` throws; nil when it does not.
func failure(_ body: () throws -> Void) -> CheckpointError? {
    do {
        try body()
        return nil
    } catch {
        return error as? CheckpointError
    }
}

/// The reason of a refusal of a file's form; nil for any other error.
func malformation(_ data: Data) -> String? {
    if case .malformed(_, let reason)? = failure({ _ = try open(data) }) { reason } else { nil }
}

/// A checkpoint of minGRU-pytorch with random values.
struct PyTorchCheckpoint {
    var lstm = false
    var width = 6
    var inner = 9
    var layers = 2
    var kernel: Int? = 3
    var mlpWidth: Int? = 24
    var vocabularySize = 11

    var tensors: [NamedTensor] {
        var random = SeededGenerator(seed: 3)
        func tensor(_ name: String, _ shape: [Int]) -> NamedTensor {
            (name, shape, (0..<shape.reduce(1, *)).map { _ in random.float() })
        }
        var all = [tensor("token_emb.weight", [vocabularySize, width])]
        for layer in 0..<layers {
            let prefix = "layers.\(layer)."
            if let kernel {
                all.append(tensor(prefix + "0.net.0.weight", [width, 1, kernel]))
                all.append(tensor(prefix + "0.net.0.bias", [width]))
                all.append(tensor(prefix + "0.net.1.weight", [width, width, 1]))
                all.append(tensor(prefix + "0.net.1.bias", [width]))
            }
            all.append(tensor(prefix + "1.weight", [width]))
            let name = lstm ? "to_hidden_and_f_i_gate" : "to_hidden_and_gate"
            all.append(tensor(prefix + "2.\(name).weight", [(lstm ? 3 : 2) * inner, width]))
            if inner != width { all.append(tensor(prefix + "2.to_out.weight", [width, inner])) }
            if let mlpWidth {
                all.append(tensor(prefix + "3.weight", [width]))
                all.append(tensor(prefix + "4.0.weight", [mlpWidth, width]))
                all.append(tensor(prefix + "4.0.bias", [mlpWidth]))
                all.append(tensor(prefix + "4.2.weight", [width, mlpWidth]))
                all.append(tensor(prefix + "4.2.bias", [width]))
            }
        }
        return all + [tensor("norm.weight", [width]), tensor("to_logits.weight", [vocabularySize, width])]
    }
}
