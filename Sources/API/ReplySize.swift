import HTTP
import Inference
import Recurrent

/// What one reply will hold, bounded before anything is computed for it.
struct ReplySize {
    /// Numbers that one reply may spell: values of outputs, tokens and log-probabilities.
    static let valueLimit = 1 << 20
    /// Bytes of outputs and states that may be held until a reply has been written.
    static let byteLimit = 64 << 20

    private var values = 0
    /// Outputs and states that are held until the reply has been written.
    private(set) var bytes = 0

    /// Adds what `work` returns. A reply has at most a few thousand of these, each of bounded size.
    mutating func add(_ work: Work, _ options: OutputOptions, _ served: ServedModel) {
        let size = served.model.configuration.outputSize
        switch work.outputs {
        case .none: break
        case .last:
            values += options.values(of: size)
            bytes += size * MemoryLayout<Float>.stride
        case .all:
            values += work.input.count * max(size, options.values(of: size))
            bytes += work.input.count * size * MemoryLayout<Float>.stride
        }
        addState(of: work, served)
    }

    /// Adds the state that `work` returns, if it does.
    mutating func addState(of work: Work, _ served: ServedModel) {
        if work.wantsState { bytes += served.model.state.bytes }
    }

    /// Adds tokens that are returned, each with so many log-probabilities.
    mutating func add(tokens: Int, logprobs: Int) { values += tokens * (1 + logprobs) }

    /// Throws 422 where that is more than one reply holds.
    func check() throws(Problem) {
        guard values <= Self.valueLimit else {
            throw Problem(
                .unprocessableContent, "reply-too-large",
                "The reply could have \(values) values, which are outputs, tokens and log-probabilities; one reply holds "
                    + "\(Self.valueLimit)."
            ).with("limit", Self.valueLimit)
        }
        guard bytes <= Self.byteLimit else {
            throw Problem(
                .unprocessableContent, "reply-too-large",
                "The outputs and states of this request are \(bytes) bytes; one reply holds \(Self.byteLimit)."
            ).with("limit", Self.byteLimit)
        }
    }
}
