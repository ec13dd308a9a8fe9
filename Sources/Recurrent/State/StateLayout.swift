import Kernels

/// Where each value of a sequence's state lies in its row of floats.
///
/// Per layer the hidden state and the window of past convolution inputs; at the end the last block's output, from which
/// the next output is computed again when a session goes on.
public struct StateLayout: Sendable, Equatable {
    struct LayerOffsets: Sendable, Equatable {
        var hidden: Int
        var window: Int
    }

    let layers: [LayerOffsets]
    /// Where the last block's output begins.
    let last: Int
    /// Values of one state.
    public let count: Int
    /// Bytes of one state.
    public var bytes: Int { count * MemoryLayout<Float>.size }

    init(_ configuration: ModelConfiguration) {
        var offset = 0
        var layers: [LayerOffsets] = []
        let window = configuration.convolution.map { ($0.kernel - 1) * configuration.width } ?? 0
        for index in 0..<configuration.layers {
            let hidden = configuration.hiddenWidth(index)
            layers.append(LayerOffsets(hidden: offset, window: offset + hidden))
            offset += hidden + window
        }
        self.layers = layers
        last = offset
        count = offset + configuration.streamWidths.last!
    }
}
