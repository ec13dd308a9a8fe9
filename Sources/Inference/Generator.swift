import Recurrent

/// The progress of one generation: what has been emitted and whether it goes on.
struct Generator {
    private let limit: Int
    private let sampler: Sampler
    private let tokenizer: (any Tokenizer)?
    private var decoder = TextDecoder()
    private var stops: StopMatcher
    private(set) var tokens: [Int] = []
    private var scored: [ScoredToken] = []
    private var text = ""
    private(set) var finish: FinishReason?

    init(_ generation: Generation, _ tokenizer: (any Tokenizer)?) {
        limit = generation.maximumTokens
        sampler = Sampler(
            temperature: generation.temperature, topK: generation.topK, topP: generation.topP, seed: generation.seed)
        self.tokenizer = tokenizer
        stops = StopMatcher(generation.stop)
        for token in generation.prior { _ = accept(Int(token), step: 0) }
    }

    /// The token to emit after `step` inputs.
    func draw(_ logits: [Float], step: Int) -> Int { sampler.draw(logits, step: step) }

    /// Takes note of an emitted and absorbed token.
    mutating func accept(_ token: Int, step: Int, _ score: ScoredToken? = nil) -> GenerationEvent {
        tokens.append(token)
        if let score { scored.append(score) }
        guard let tokenizer else {
            if tokens.count == limit { finish = .length }
            return GenerationEvent(token: token, text: nil, step: step, scored: score)
        }
        let isEnd = token == tokenizer.endOfText
        var (piece, matched) = isEnd ? ("", false) : stops.feed(decoder.feed(tokenizer.bytes(of: token)))
        if !matched, isEnd || tokens.count == limit {
            // A character that was begun will not be finished, which may still make a stop text of what is held back.
            let rest = stops.feed(decoder.flush())
            (piece, matched) = (piece + rest.text, rest.matched)
            if !matched { piece += stops.flush() }
        }
        if matched || isEnd { finish = .stop } else if tokens.count == limit { finish = .length }
        text += piece
        return GenerationEvent(token: token, text: piece, step: step, scored: score)
    }

    var result: Completion.Generated? {
        finish.map { .init(tokens: tokens, text: tokenizer == nil ? nil : text, finish: $0, scored: scored) }
    }
}

/// What was emitted before a generation goes on, told again, event by event.
public struct PriorEvents: Sequence, IteratorProtocol, Sendable {
    private let tokens: [Int32]
    private var generator: Inference.Generator
    private let firstStep: Int
    private var index = 0

    /// - Parameters:
    ///   - generation: with the tokens as its `prior`.
    ///   - lastStep: of the session at the last of them.
    init(of generation: Generation, lastStep: Int, _ tokenizer: (any Tokenizer)?) {
        tokens = generation.prior
        var again = generation
        again.prior = []
        generator = Inference.Generator(again, tokenizer)
        firstStep = lastStep - tokens.count + 1
    }

    public mutating func next() -> GenerationEvent? {
        guard index < tokens.count else { return nil }
        defer { index += 1 }
        return generator.accept(Int(tokens[index]), step: firstStep + index)
    }
}
