import Foundation
import TestSupport

/// A second implementation of the whole model: plain loops over doubles, written from the equations and the table of
/// tensor names, without any code of the program.
struct ReferenceModel {
    private let model: RandomModel
    private let tensors: [String: (shape: [Int], values: [Double])]
    private var hidden: [[Double]] = []
    /// The cell states of LSTMs.
    private var cell: [[Double]] = []
    /// All inputs that each layer's convolution has seen.
    private var past: [[[Double]]]

    init(_ model: RandomModel) {
        self.model = model
        var tensors: [String: (shape: [Int], values: [Double])] = [:]
        for (name, shape, values) in model.tensors { tensors[name] = (shape, values.map { Double($0) }) }
        self.tensors = tensors
        past = Array(repeating: [], count: model.layers)
        for layer in 0..<model.layers {
            let start = tensors["layers.\(layer).rnn.initial_state"]?.values
            hidden.append(start ?? Array(repeating: 0, count: model.hiddenWidth(layer)))
            cell.append(Array(repeating: 0, count: model.cellWidth ?? model.hiddenWidth(layer)))
        }
    }

    /// The output after one more input.
    mutating func step(token: Int) -> [Double] {
        let table = tensors["embedding.weight"]!.values
        return step(Array(table[token * model.width..<(token + 1) * model.width]))
    }

    mutating func step(vector: [Float]) -> [Double] {
        let vector = vector.map { Double($0) }
        return step(model.mapsInput ? linear("input", vector) : vector)
    }

    private mutating func step(_ start: [Double]) -> [Double] {
        var x = start
        for layer in 0..<model.layers {
            let prefix = "layers.\(layer)."
            if model.order == "minGRU-pytorch", model.kernel != nil { x = sum(x, convolve(layer, x)) }
            var branch = norm(prefix + "rnn_norm", x)
            if model.order == "paper", model.kernel != nil { branch = convolve(layer, branch) }
            branch = recur(layer, branch)
            if tensors[prefix + "rnn.out.weight"] != nil { branch = linear(prefix + "rnn.out", branch) }
            switch model.order {
            case "highway":
                let gate = linear(prefix + "highway", x).map(sigmoid)
                x = x.indices.map { gate[$0] * branch[$0] + (1 - gate[$0]) * x[$0] }
            case "stacked": x = branch
            default:
                x = sum(tensors[prefix + "align.weight"] == nil ? x : linear(prefix + "align", x), branch)
            }
            guard model.mlpWidth != nil else { continue }
            let y = norm(prefix + "mlp_norm", x)
            let up = linear(prefix + "mlp.up", y)
            let passed =
                model.activation == "geglu"
                ? zip(linear(prefix + "mlp.gate", y), up).map { gelu($0) * $1 } : up.map(gelu)
            x = sum(x, linear(prefix + "mlp.down", passed))
        }
        x = norm("norm", x)
        let y = model.mapsOutput ? linear("output", x) : x
        return model.givesProbabilities ? y.map(sigmoid) : y
    }

    /// The sums of gate `gate` that torch computes of the input (`ih`) or of the hidden state (`hh`).
    private func torch(_ prefix: String, _ side: String, _ gate: Int, _ x: [Double]) -> [Double] {
        let (shape, values) = tensors[prefix + "weight_" + side]!
        let bias = tensors[prefix + "bias_" + side]?.values
        let units = shape[0] / (["GRU": 3, "LSTM": 4][model.cell] ?? 1)
        return (gate * units..<(gate + 1) * units).map { row in
            var total = bias?[row] ?? 0
            for input in x.indices { total += values[row * x.count + input] * x[input] }
            return total
        }
    }

    private mutating func recurTorch(_ layer: Int, _ x: [Double]) -> [Double] {
        let (prefix, h) = ("layers.\(layer).rnn.", hidden[layer])
        func both(_ gate: Int) -> [Double] { sum(torch(prefix, "ih", gate, x), torch(prefix, "hh", gate, h)) }
        switch model.cell {
        case "GRU":
            let (r, z) = (both(0).map(sigmoid), both(1).map(sigmoid))
            let (new, past) = (torch(prefix, "ih", 2, x), torch(prefix, "hh", 2, h))
            hidden[layer] = h.indices.map { (1 - z[$0]) * tanh(new[$0] + r[$0] * past[$0]) + z[$0] * h[$0] }
        case "LSTM":
            let (i, f, g, o) = (both(0).map(sigmoid), both(1).map(sigmoid), both(2).map(tanh), both(3).map(sigmoid))
            cell[layer] = i.indices.map { f[$0] * cell[layer][$0] + i[$0] * g[$0] }
            let units = i.indices.map { o[$0] * tanh(cell[layer][$0]) }
            guard let (shape, projection) = tensors[prefix + "weight_hr"] else {
                hidden[layer] = units
                break
            }
            hidden[layer] = (0..<shape[0]).map { row in
                var total = 0.0
                for unit in units.indices { total += projection[row * units.count + unit] * units[unit] }
                return total
            }
        default: hidden[layer] = both(0).map { model.cellActivation == "relu" ? max(0, $0) : tanh($0) }
        }
        return hidden[layer]
    }

    private mutating func recurPara(_ layer: Int, _ x: [Double]) -> [Double] {
        let (prefix, h, c) = ("layers.\(layer).rnn.", hidden[layer], cell[layer])
        let (width, sums) = (h.count, linear(prefix + "W_x", x))
        /// Input sum of a part and a recurrent weight of each channel.
        func part(_ index: Int, _ name: String, _ value: [Double]) -> [Double] {
            (0..<width).map { sums[index * width + $0] + weight(name, $0) * value[$0] }
        }
        func weight(_ name: String, _ channel: Int) -> Double {
            let value = tensors[prefix + name]!.values[channel]
            return model.recurrentLimit.map { max(-Double($0), min(Double($0), value)) } ?? value
        }
        if model.cell == "ParaGRU" {
            let (z, r) = (part(0, "a_z", h).map(sigmoid), part(1, "a_r", h).map(sigmoid))
            let n = part(2, "a_n", zip(r, h).map(*)).map { tanh($0) }
            hidden[layer] = blend(z, n, h)
            return hidden[layer]
        }
        /// A gate that also looks at the cell.
        func gate(_ part: [Double], _ name: String, _ cell: [Double]) -> [Double] {
            part.indices.map { channel -> Double in sigmoid(part[channel] + weight(name, channel) * cell[channel]) }
        }
        let f = gate(part(0, "a_f", h), "c_f", c)
        let n = part(1, "a_z", h).map { tanh($0) }
        cell[layer] = blend(f, c, n)
        let o = gate(part(2, "a_o", h), "c_o", cell[layer])
        hidden[layer] = zip(o, cell[layer]).map { $0 * tanh($1) }
        return hidden[layer]
    }

    /// `share · first + (1 − share) · second`, of each channel.
    private func blend(_ share: [Double], _ first: [Double], _ second: [Double]) -> [Double] {
        share.indices.map { channel -> Double in
            let kept: Double = 1 - share[channel]
            return share[channel] * first[channel] + kept * second[channel]
        }
    }

    private mutating func recur(_ layer: Int, _ x: [Double]) -> [Double] {
        if model.cell.hasPrefix("Para") { return recurPara(layer, x) }
        if !model.cell.hasPrefix("min") { return recurTorch(layer, x) }
        let prefix = "layers.\(layer).rnn."
        let candidate = linear(prefix + "candidate", x).map { value in
            model.candidate == "vanilla" ? value : value >= 0 ? value + 0.5 : sigmoid(value)
        }
        if model.cell == "minGRU" {
            let z = linear(prefix + "gate", x).map(sigmoid)
            for i in candidate.indices { hidden[layer][i] = (1 - z[i]) * hidden[layer][i] + z[i] * candidate[i] }
        } else {
            let (f, i) = (linear(prefix + "forget", x).map(sigmoid), linear(prefix + "input", x).map(sigmoid))
            for c in candidate.indices {
                let total = model.cell == "minLSTM" ? f[c] + i[c] : 1
                hidden[layer][c] = (f[c] * hidden[layer][c] + i[c] * candidate[c]) / total
            }
        }
        return hidden[layer]
    }

    private mutating func convolve(_ layer: Int, _ x: [Double]) -> [Double] {
        past[layer].append(x)
        let (prefix, seen, kernel) = ("layers.\(layer).", past[layer], model.kernel!)
        let weight = tensors[prefix + "conv.weight"]!.values
        let filtered = x.indices.map { channel in
            var total = tensors[prefix + "conv.bias"]?.values[channel] ?? 0
            // The last tap sees the present, the one before it the input before.
            for back in 0..<min(kernel, seen.count) {
                total += weight[channel * kernel + kernel - 1 - back] * seen[seen.count - 1 - back][channel]
            }
            return total
        }
        return model.pointwise ? linear(prefix + "conv_pointwise", filtered) : filtered
    }

    private func norm(_ name: String, _ x: [Double]) -> [Double] {
        guard let kind = model.norm else { return x }
        let mean = kind == "layer" ? x.reduce(0, +) / Double(x.count) : 0
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
        let (weight, bias) = (tensors[name + ".weight"]!.values, tensors[name + ".bias"]?.values)
        return x.indices.map { (x[$0] - mean) / (variance + 1e-6).squareRoot() * weight[$0] + (bias?[$0] ?? 0) }
    }

    private func linear(_ name: String, _ x: [Double]) -> [Double] {
        let (shape, values) = tensors[name + ".weight"]!
        return (0..<shape[0]).map { output in
            var total = tensors[name + ".bias"]?.values[output] ?? 0
            for input in 0..<shape[1] { total += values[output * shape[1] + input] * x[input] }
            return total
        }
    }

    private func gelu(_ x: Double) -> Double { 0.5 * x * erfc(-x / 2.0.squareRoot()) }
    private func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }
    private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
}
