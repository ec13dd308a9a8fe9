import Recurrent

/// The progress of one generation: what has been emitted and whether it goes on.
struct Generator {
    private let limit: Int
    private let sampler: Sampler
    private let tokenizer: CharacterTokenizer?
    private var stops: StopMatcher
    private(set) var tokens: [Int] = []
    private var text = ""
    private(set) var finish: FinishReason?

    init(_ generation: Generation, _ tokenizer: CharacterTokenizer?) {
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
    mutating func accept(_ token: Int, step: Int) -> GenerationEvent {
        tokens.append(token)
        guard let tokenizer else {
            if tokens.count == limit { finish = .length }
            return GenerationEvent(token: token, text: nil, step: step)
        }
        var (piece, matched) = stops.feed(tokenizer.decode(token))
        if matched {
            finish = .stop
        } else if tokens.count == limit {
            finish = .length
            piece += stops.flush()
        }
        text += piece
        return GenerationEvent(token: token, text: piece, step: step)
    }

    /// What was emitted, told again.
    /// - Parameter lastStep: of the session at the last of the tokens that are `prior`.
    static func events(
        of generation: Generation, lastStep: Int, _ tokenizer: CharacterTokenizer?
    ) -> [GenerationEvent] {
        var again = generation
        again.prior = []
        var generator = Generator(again, tokenizer)
        let first = lastStep - generation.prior.count + 1
        return generation.prior.enumerated().map { generator.accept(Int($1), step: first + $0) }
    }

    var result: Completion.Generated? {
        finish.map { .init(tokens: tokens, text: tokenizer == nil ? nil : text, finish: $0) }
    }
}
