import TestSupport
import Testing

@testable import Kernels

@Suite("DepthwiseConvolution against the plain sum over the whole past")
struct DepthwiseConvolutionTests {
    /// y_t of one channel, from all inputs so far, in the kernel's order of additions.
    private func reference(_ past: [Float], _ weight: ArraySlice<Float>, _ bias: Float) -> Float {
        var sum: Float = 0
        for (k, w) in weight.enumerated() {
            let time = past.count - weight.count + k
            sum = sum.addingProduct(time >= 0 ? past[time] : 0, w)
        }
        return sum + bias
    }

    @Test("any cut into calls and any mixture of sequences gives the plain sum to the bit", arguments: 0..<80)
    func mixtures(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let (kernel, channels) = (1 + seed % 6, Int.random(in: 1...37, using: &random))
        let weight = (0..<kernel * channels).map { _ in random.float() }
        let bias = Bool.random(using: &random) ? (0..<channels).map { _ in random.float() } : nil
        let convolution = DepthwiseConvolution(kernel: kernel, channels: channels, weight: weight, bias: bias)
        #expect(convolution.window == (kernel - 1) * channels)
        let offset = seed % 5
        let states = Matrix(rows: 3, columns: offset + convolution.window + 4)
        for sequence in 0..<3 {
            for column in 0..<offset { states[sequence, column] = 7 }
            for column in (states.columns - 4)..<states.columns { states[sequence, column] = 7 }
        }
        var past = [[[Float]]](repeating: [[Float]](repeating: [], count: channels), count: 3)
        var wrong = 0
        for _ in 0..<8 {
            let sequences = (0..<Int.random(in: 1...9, using: &random)).map { _ in Int.random(in: 0..<3, using: &random)
            }
            let (x, y) = (Matrix(rows: 9, columns: channels), Matrix(rows: 9, columns: channels))
            for row in sequences.indices {
                // Padding is garbage on purpose.
                for column in channels..<max(channels, x.stride) { unsafe x.base[row * x.stride + column] = .nan }
                x.set(row, to: (0..<channels).map { _ in random.float() })
            }
            convolution.apply(x, sequences: sequences, states: states, at: offset, into: y)
            for (row, sequence) in sequences.enumerated() {
                for channel in 0..<channels {
                    past[sequence][channel].append(x[row, channel])
                    let taps = weight[channel * kernel..<(channel + 1) * kernel]
                    let expected = reference(past[sequence][channel], taps, bias?[channel] ?? 0)
                    if !same(y[row, channel], expected) { wrong += 1 }
                }
            }
        }
        #expect(wrong == 0)
        for sequence in 0..<3 {
            let row = states.values(sequence)
            #expect(row[..<offset].allSatisfy { $0 == 7 } && row.suffix(4).allSatisfy { $0 == 7 })
        }
    }

    @Test("a kernel of one keeps no window and is a scale and a shift") func kernelOfOne() {
        let convolution = DepthwiseConvolution(kernel: 1, channels: 2, weight: [2, -3], bias: [1, 10])
        let (x, y, states) = (Matrix(rows: 1, columns: 2), Matrix(rows: 1, columns: 2), Matrix(rows: 1, columns: 1))
        x.set(0, to: [4, 5])
        states[0, 0] = 8
        convolution.apply(x, sequences: [0], states: states, at: 1, into: y)
        #expect(y.values(0) == [9, -5] && states[0, 0] == 8)
    }
}
