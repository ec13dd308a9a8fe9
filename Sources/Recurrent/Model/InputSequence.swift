/// Inputs of consecutive steps.
public enum InputSequence: Sendable, Equatable {
    /// Token ids, each in the model's vocabulary.
    case tokens([Int])
    /// Vectors one after the other, `count` of them.
    case vectors([Float], count: Int)

    public static let empty = InputSequence.tokens([])

    /// Steps that absorbing it takes.
    public var count: Int {
        switch self {
        case .tokens(let tokens): tokens.count
        case .vectors(_, let count): count
        }
    }

    /// Whether a model of that configuration can absorb it: its tokens are in the vocabulary, or its vectors have the
    /// input size. What comes from outside is asked before it is absorbed.
    public func fits(_ configuration: ModelConfiguration) -> Bool {
        switch (self, configuration.input) {
        case (.tokens(let tokens), .tokens(let size)): tokens.allSatisfy { (0..<size).contains($0) }
        case (.vectors(let values, let count), .vectors(let size)):
            values.count == count.multipliedReportingOverflow(by: size).partialValue && values.count / size == count
        case (.tokens, .vectors), (.vectors, .tokens): false
        }
    }

    /// What it takes in memory.
    public var bytes: Int {
        switch self {
        case .tokens(let tokens): tokens.count * MemoryLayout<Int>.stride
        case .vectors(let values, _): values.count * MemoryLayout<Float>.stride
        }
    }

    /// Appends inputs of the same kind; false where they are of another, and nothing is done.
    public mutating func append(_ other: InputSequence) -> Bool {
        // While it grows nobody else may own it: it would be copied.
        switch other {
        case .tokens(let more):
            guard case .tokens(var tokens) = self else { return false }
            self = .empty
            tokens += more
            self = .tokens(tokens)
        case .vectors(let more, let moreCount):
            guard case .vectors(var values, let count) = self else { return false }
            self = .empty
            values += more
            self = .vectors(values, count: count + moreCount)
        }
        return true
    }

    /// The inputs of those steps.
    public func slice(_ range: Range<Int>) -> InputSequence {
        switch self {
        case .tokens(let tokens): return .tokens(Array(tokens[range]))
        case .vectors(let values, let count):
            let size = values.count / max(1, count)
            return .vectors(Array(values[range.lowerBound * size..<range.upperBound * size]), count: range.count)
        }
    }
}
