import Kernels

/// The architecture of a model: all that is not a weight.
public struct ModelConfiguration: Sendable, Equatable {
    /// How the parts of a block are joined.
    public enum BlockOrder: String, Sendable {
        /// The paper's: x ← x + rnn(conv(norm x)), then x ← x + mlp(norm x).
        case paper
        /// minGRU-pytorch's: x ← x + conv(x), then x ← x + rnn(norm x), then x ← x + mlp(norm x).
        case minGRUPyTorch = "minGRU-pytorch"
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
    }

    public var cell: GatedScan.Cell
    public var candidate: GatedScan.Candidate
    public var order: BlockOrder
    public var layers: Int
    /// Values of the residual stream per step.
    public var width: Int
    /// Hidden values of a recurrent layer; `width` times the expansion.
    public var innerWidth: Int
    public var norm: NormShape?
    /// Whether the last block's output is normalised before the output map.
    public var finalNorm: Bool
    public var convolution: ConvolutionShape?
    /// Width of the MLP's hidden layer; nil for blocks without one.
    public var mlpWidth: Int?
    public var input: Input
    public var output: Output

    /// Values of one input step: 1 for a token.
    public var inputSize: Int {
        if case .vectors(let size) = input { size } else { 1 }
    }

    /// Values of one output: the vocabulary size for logits.
    public var outputSize: Int {
        switch (output, input) {
        case (.vectors(let size), _): size
        case (.logits, .tokens(let vocabularySize)): vocabularySize
        case (.logits, .vectors): 0
        }
    }
}
