import Glibc
import TestSupport

@testable import Kernels

/// The cells whose gates see the state.
enum SequentialCell: CaseIterable {
    case gru, lstm, projectedLSTM, tanhRNN, reluRNN, paraGRU, paraLSTM

    /// Whether its recurrence is a fused scan, which members of a team share by runs of rows: so the rows of a sequence must
    /// be adjacent.
    var isDiagonal: Bool { self == .paraGRU || self == .paraLSTM }

    var parts: Int {
        switch self {
        case .gru, .paraGRU, .paraLSTM: 3
        case .lstm, .projectedLSTM: 4
        case .tanhRNN, .reluRNN: 1
        }
    }
}

/// A layer of such a cell with random weights, and its equations in double precision.
struct CellCase {
    var random: SeededGenerator
    let cell: SequentialCell
    let channels: Int
    let inputs: Int
    /// Values of the hidden state.
    let hidden: Int
    let type: WeightType
    let kernel: any CellKernel
    /// As they are after rounding: of each part and channel, from the inputs and from the hidden state.
    private let inputWeights: [[[Double]]]
    private let hiddenWeights: [[[Double]]]
    private let inputBias: [[Float]?]
    private let hiddenBias: [[Float]?]
    private let projection: [[Double]]
    /// Recurrent vectors and peepholes of a diagonal cell.
    private let diagonals: [[Float]]

    init(
        _ cell: SequentialCell, seed: UInt64, _ type: WeightType = .f32, channels wanted: Int? = nil,
        inputs wantedInputs: Int? = nil,
        packedFor width: TileWidth? = nil
    ) {
        var random = SeededGenerator(seed: seed)
        let channels = wanted ?? Int.random(in: 1...53, using: &random)
        let inputs = wantedInputs ?? Int.random(in: 1...30, using: &random)
        let hidden = cell == .projectedLSTM ? Int.random(in: 1...channels, using: &random) : channels
        func matrix(_ rows: Int, _ columns: Int) -> [[Float]] {
            let scale = 2 / Float(columns).squareRoot()
            return (0..<rows).map { _ in (0..<columns).map { _ in scale * random.float() } }
        }
        func biases() -> [[Float]?] {
            (0..<cell.parts).map { _ in
                Bool.random(using: &random) ? (0..<channels).map { _ in random.float() } : nil
            }
        }
        let fromInput = (0..<cell.parts).map { _ in matrix(channels, inputs) }
        let fromHidden = (0..<cell.parts).map { _ in matrix(channels, hidden) }
        (inputBias, hiddenBias) = (biases(), biases())
        let projected = matrix(hidden, channels)
        diagonals = (0..<5).map { _ in (0..<channels).map { _ in random.float() } }
        (self.cell, self.channels, self.inputs, self.hidden, self.type) = (cell, channels, inputs, hidden, type)
        inputWeights = fromInput.map { $0.map { Self.rounded($0, type) } }
        hiddenWeights = fromHidden.map { $0.map { Self.rounded($0, type) } }
        projection = projected.map { Self.rounded($0, type) }

        func input(_ part: Int, _ channel: Int, _ row: inout [Float]) { row = fromInput[part][channel] }
        func recurrent(_ part: Int, _ channel: Int, _ row: inout [Float]) { row = fromHidden[part][channel] }
        let (inputBias, hiddenBias, diagonals) = (inputBias, hiddenBias, diagonals)
        kernel = (width ?? .of(seed)).pack { () -> any CellKernel in
            switch cell {
            case .gru:
                GRU(
                    type, channels: channels, inputs: inputs, inputBias: inputBias, hiddenBias: hiddenBias,
                    input: input, hidden: recurrent)
            case .lstm, .projectedLSTM:
                LSTM(
                    type, channels: channels, inputs: inputs, inputBias: inputBias, hiddenBias: hiddenBias,
                    projection: cell == .lstm
                        ? nil : PackedMatrix(type, outputs: hidden, inputs: channels) { $1 = projected[$0] },
                    input: input, hidden: recurrent)
            case .tanhRNN, .reluRNN:
                RNN(
                    type, activation: cell == .tanhRNN ? .tanh : .relu, channels: channels, inputs: inputs,
                    inputBias: inputBias, hiddenBias: hiddenBias, input: input, hidden: recurrent)
            case .paraGRU:
                ParaGRU(
                    type, channels: channels, inputs: inputs, bias: inputBias, recurrent: Array(diagonals[..<3]),
                    row: input)
            case .paraLSTM:
                ParaLSTM(
                    type, channels: channels, inputs: inputs, bias: inputBias, recurrent: Array(diagonals[..<3]),
                    peepholes: (forget: diagonals[3], output: diagonals[4]), row: input)
            }
        }
        self.random = random
    }

    /// Weights as packing rounds them.
    private static func rounded(_ row: [Float], _ type: WeightType) -> [Double] {
        switch type {
        case .f32: return row.map { Double($0) }
        case .f16: return row.map { Double(Float16($0)) }
        case .int8:
            let step = row.map(abs).max()! / 127
            return row.map { Double(($0 / step).rounded(.toNearestOrEven)) * Double(step) }
        }
    }

    /// Values of a state.
    var stateSize: Int { kernel.stateSizes.reduce(0, +) }

    mutating func input() -> [Float] { (0..<inputs).map { _ in random.float() } }
    mutating func state() -> [Float] { (0..<stateSize).map { _ in random.float() } }

    /// The state after one step from `state`, the hidden state first.
    func step(_ state: [Double], _ x: [Float]) -> [Double] {
        func sigmoid(_ x: Double) -> Double { 1 / (1 + Glibc.exp(-x)) }
        func dot(_ weights: [Double], _ values: ArraySlice<Double>) -> Double {
            zip(weights, values).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let (h, memory) = (state[..<hidden], Array(state[hidden...]))
        let inputs = x.map { Double($0) }
        func fromInput(_ part: Int, _ channel: Int) -> Double {
            dot(inputWeights[part][channel], inputs[...]) + Double(inputBias[part]?[channel] ?? 0)
        }
        func fromHidden(_ part: Int, _ channel: Int) -> Double {
            dot(hiddenWeights[part][channel], h) + Double(hiddenBias[part]?[channel] ?? 0)
        }
        func sum(_ part: Int, _ channel: Int) -> Double { fromInput(part, channel) + fromHidden(part, channel) }
        func diagonal(_ index: Int, _ channel: Int) -> Double { Double(diagonals[index][channel]) }
        var next: [Double] = []
        var nextMemory: [Double] = []
        for c in 0..<channels {
            switch cell {
            case .gru:
                let (r, z) = (sigmoid(sum(0, c)), sigmoid(sum(1, c)))
                let n = Glibc.tanh(fromInput(2, c) + r * fromHidden(2, c))
                next.append((1 - z) * n + z * h[c])
            case .lstm, .projectedLSTM:
                let (i, f, g, o) = (
                    sigmoid(sum(0, c)), sigmoid(sum(1, c)), Glibc.tanh(sum(2, c)), sigmoid(sum(3, c))
                )
                nextMemory.append(f * memory[c] + i * g)
                next.append(o * Glibc.tanh(nextMemory[c]))
            case .tanhRNN: next.append(Glibc.tanh(sum(0, c)))
            case .reluRNN: next.append(max(0, sum(0, c)))
            case .paraGRU:
                let z = sigmoid(diagonal(0, c) * h[c] + fromInput(0, c))
                let r = sigmoid(diagonal(1, c) * h[c] + fromInput(1, c))
                let n = Glibc.tanh(diagonal(2, c) * (r * h[c]) + fromInput(2, c))
                next.append((1 - z) * h[c] + z * n)
            case .paraLSTM:
                let f = sigmoid(diagonal(0, c) * h[c] + diagonal(3, c) * memory[c] + fromInput(0, c))
                let n = Glibc.tanh(diagonal(1, c) * h[c] + fromInput(1, c))
                nextMemory.append(f * memory[c] + (1 - f) * n)
                let o = sigmoid(diagonal(2, c) * h[c] + diagonal(4, c) * nextMemory[c] + fromInput(2, c))
                next.append(o * Glibc.tanh(nextMemory[c]))
            }
        }
        if cell == .projectedLSTM { next = projection.map { dot($0, next[...]) } }
        return next + nextMemory
    }
}
