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

    /// What was emitted, told again.
    /// - Parameter lastStep: of the session at the last of the tokens that are `prior`.
    static func events(
        of generation: Generation, lastStep: Int, _ tokenizer: (any Tokenizer)?
    ) -> [GenerationEvent] {
        var again = generation
        again.prior = []
        var generator = Generator(again, tokenizer)
        let first = lastStep - generation.prior.count + 1
        return generation.prior.enumerated().map { generator.accept(Int($1), step: first + $0) }
    }

    var result: Completion.Generated? {
        finish.map { .init(tokens: tokens, text: tokenizer == nil ? nil : text, finish: $0, scored: scored) }
    }
}
