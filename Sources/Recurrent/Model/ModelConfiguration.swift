import Kernels

/// The architecture of a model: all that is not a weight.
public struct ModelConfiguration: Sendable {
    /// How the parts of a block are joined.
    public enum BlockOrder: String, Sendable, CaseIterable {
        /// The paper's: x ← x + rnn(conv(norm x)), then x ← x + mlp(norm x).
        case paper
        /// minGRU-pytorch's: x ← x + conv(x), then x ← x + rnn(norm x), then x ← x + mlp(norm x).
        case minGRUPyTorch = "minGRU-pytorch"
        /// PufferLib's: x ← x + σ(P x)·(rnn(x) − x).
        case highway
        /// Of cheind/mingru without residual connections: x ← rnn(norm x).
        case stacked

        /// Whether a cell's hidden state may go through a map of its own on its way to the stream.
        var hasOutputMap: Bool { self == .paper || self == .minGRUPyTorch }
    }

    public struct NormShape: Sendable, Equatable {
        public var kind: Norm.Kind
        public var epsilon: Float
    }

    public struct ConvolutionShape: Sendable, Equatable {
        /// Time steps that one output sees.
        public var kernel: Int
        /// Whether a linear map over the channels follows the depthwise filter.
        public var pointwise: Bool
    }

    public struct MLPShape: Sendable, Equatable {
        public enum Activation: String, Sendable, CaseIterable {
            /// down(GELU(up x))
            case gelu
            /// down(GELU(gate x) · up x)
            case geglu
        }

        /// Values of the hidden layer.
        public var width: Int
        public var activation = Activation.gelu
    }

    public enum Input: Sendable, Equatable {
        /// One token of `vocabularySize` per step, through an embedding.
        case tokens(vocabularySize: Int)
        /// One vector of `size` values per step.
        case vectors(size: Int)
    }

    public enum Output: Sendable, Equatable {
        /// One logit per token of the vocabulary.
        case logits
        /// A vector of `size` values.
        case vectors(size: Int)
        /// A vector of `size` probabilities, each σ of its own value of the output map.
        case probabilities(size: Int)
    }

    var cell: any Cell
    public var order: BlockOrder
    public var layers: Int
    /// Values of the residual stream per step, before the first layer.
    public var width: Int
    /// Hidden values of a recurrent layer; `width` times the expansion.
    public var innerWidth: Int
    /// Values of the residual stream behind each layer, where they differ: then every layer has as many hidden values
    /// as it leaves, and no convolution, MLP or output map of its own. Nil where all have `width`.
    public var layerWidths: [Int]?
    public var norm: NormShape?
    /// Whether the last block's output is normalised before the output map.
    public var finalNorm: Bool
    public var convolution: ConvolutionShape?
    /// Nil for blocks without one.
    public var mlp: MLPShape?
    public var input: Input
    public var output: Output
    /// Whether input vectors go through a linear map; where not, they are the residual stream before the first layer.
    public var mapsInput = true
    /// What follows the map of input vectors.
    public var inputActivation: Activation?
    /// Whether the outputs are a linear map of the residual stream behind the last layer, or that stream itself.
    public var mapsOutput = true
    /// Outputs of the maps that stand before the output map.
    public var hiddenOutputWidths: [Int] = []
    /// What follows each of those.
    public var outputActivation: Activation?
    /// Which modules of a published checkpoint play which roles, where their names are free.
    var modules: [(word: String, value: String)] = []

    /// Values of the residual stream: before the first layer, and behind each.
    var streamWidths: [Int] { [width] + (layerWidths ?? [Int](repeating: width, count: layers)) }
    /// The most values that the residual stream has at any place.
    public var widest: Int { streamWidths.max()! }
    /// Hidden values of layer `index`.
    func hiddenWidth(_ index: Int) -> Int { layerWidths?[index] ?? innerWidth }

    /// Values of one input step: 1 for a token.
    public var inputSize: Int {
        if case .vectors(let size) = input { size } else { 1 }
    }

    /// Tokens of the vocabulary; nil for a model that takes vectors.
    public var vocabularySize: Int? {
        if case .tokens(let size) = input { size } else { nil }
    }

    /// Values of one output: the vocabulary size for logits.
    public var outputSize: Int {
        switch output {
        case .vectors(let size), .probabilities(let size): size
        case .logits: vocabularySize ?? 0
        }
    }
}

extension ModelConfiguration: Equatable {
    /// Whether all words of both are equal.
    public static func == (one: Self, other: Self) -> Bool {
        let (words, others) = (one.words(layout: nil), other.words(layout: nil))
        return words.count == others.count && zip(words, others).allSatisfy { $0 == $1 }
    }
}
