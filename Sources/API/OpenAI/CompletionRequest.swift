import HTTP
import Inference
import JSON
import Recurrent
import Sessions

/// What a client of `POST /v1/completions` asks for: OpenAI's fields, and ours beside them.
struct CompletionRequest {
    /// Prompts times choices of one request.
    private static let mostChoices = 128
    /// Fields of OpenAI's that only their default is taken of, for they would change the answer.
    private static let fixed: [(name: String, value: Double)] = [
        ("best_of", 1), ("presence_penalty", 0), ("frequency_penalty", 0),
    ]
    private static let known =
        [
            "model", "prompt", "max_tokens", "temperature", "top_p", "n", "echo", "logprobs", "stop", "seed", "stream",
            "stream_options", "user", "suffix", "logit_bias",
        ] + fixed.map(\.name)
    private static let ours = ["session_id", "state", "return_state", "expected_step", "top_k", "scan", "cache"]

    let served: ServedModel
    /// One for each choice of each prompt, in the order of their indices.
    let works: [Work]
    /// What each of these is to say before what is generated.
    let echoes: [Echo]
    /// Of each prompt.
    let choices: Int
    let streams: Bool
    /// Whether the last event of a stream says what was used.
    let includesUsage: Bool
    let returnsState: Bool

    /// A prompt as it is told again; empty where nobody wants it.
    struct Echo {
        var text = ""
        var tokens: [Int] = []
    }

    init(_ body: [UInt8], _ service: Service, _ request: Request) throws(Problem) {
        let fields = try Fields(bytes: body, allowed: Self.known + Self.ours)
        try Self.refuseUnserved(fields)
        streams = try fields.streams(request, as: ["text/event-stream"])
        includesUsage = try Self.includesUsage(fields, streams)
        returnsState = try fields.bool("return_state")
        served = try service.model(try fields.required("model"), request)
        guard served.model.configuration.output == .logits else {
            throw .invalid("Model \"\(served.id)\" gives vectors: there are no tokens to complete.", "model")
        }
        let target = try Target(fields, served, service, request)
        let prompts = try Prompt.all(fields, served, mayBeMissing: target.isOne)
        choices = try fields.int("n", in: 1...Self.mostChoices) ?? 1
        guard prompts.count * choices <= Self.mostChoices else {
            throw .invalid("n times the prompts must be at most \(Self.mostChoices).", "n")
        }
        guard !target.isOne || prompts.count * choices == 1, !returnsState || prompts.count * choices == 1 else {
            throw .invalid("A session or a state goes with one prompt and one choice.", "n")
        }
        let echo = try fields.bool("echo")
        let logprobs = try fields.int("logprobs", in: 0...20)
        let generation = try Self.generation(fields, served, echo: echo && !streams)
        var works: [Work] = []
        var echoes: [Echo] = []
        var size = ReplySize()
        for prompt in prompts {
            // One text for all choices.
            let echoed = echo ? Echo(text: prompt.text(served), tokens: prompt.tokens) : Echo()
            for _ in 0..<choices {
                var work = request.work(served, target.work, prompt.input)
                (work.serial, work.supplied) = (target.serial, target.supplied)
                work.outputs = .none
                work.generation = generation
                // Each choice draws for itself; the first as it would alone.
                work.generation?.seed &+= UInt64(works.count)
                work.logprobs = logprobs
                // The events of a stream repeat a prompt without its log-probabilities.
                work.score = echo && logprobs != nil && !streams
                work.scan = try fields.scan(served)
                work.usesCache = try fields.usesCache() && !work.score
                work.expectedStep = try fields.expectedStep()
                work.wantsState = returnsState
                work.deadline = try service.deadline(of: request)
                works.append(work)
                echoes.append(echoed)
                size.add(
                    tokens: echoed.tokens.count + (generation?.maximumTokens ?? 0), logprobs: logprobs ?? 0)
            }
        }
        if !streams { try size.check() }
        (self.works, self.echoes) = (works, echoes)
    }

    private static func refuseUnserved(_ fields: Fields) throws(Problem) {
        if fields["suffix"] != nil { throw .invalid("suffix is not served: text is only gone on with.", "suffix") }
        if let bias = fields["logit_bias"], bias.count > 0 {
            throw .invalid("logit_bias is not served.", "logit_bias")
        }
        for (name, value) in fixed {
            guard let field = fields[name], field.double != value else { continue }
            throw .invalid("\(name) is not served: it must be \(Int(value)), or left out.", name)
        }
    }

    private static func includesUsage(_ fields: Fields, _ streams: Bool) throws(Problem) -> Bool {
        guard let options = fields["stream_options"] else { return false }
        guard streams else { throw .invalid("stream_options goes with stream: true.", "stream_options") }
        return try Fields(
            options, at: "stream_options.", allowed: ["include_usage", "include_obfuscation"]
        ).bool("include_usage")
    }

    /// Nil where nothing is to be generated, as for those who want to know how likely a text is.
    private static func generation(
        _ fields: Fields, _ served: ServedModel, echo: Bool
    ) throws(Problem) -> Generation? {
        let tokens = try fields.int("max_tokens", in: 0...100_000) ?? 16
        guard tokens > 0 || echo else {
            throw .invalid("max_tokens may be 0 with echo only, and without stream.", "max_tokens")
        }
        let generation = Generation(
            maximumTokens: tokens, temperature: try fields.float("temperature", in: 0...100) ?? 1,
            topK: try fields.int("top_k", in: 0...Int.max) ?? 0, topP: try fields.float("top_p", in: 0...1) ?? 1,
            seed: UInt64(
                bitPattern: Int64(try fields.int("seed", in: Int.min...Int.max) ?? Int.random(in: 0...1 << 53))),
            stop: try fields.stop(served))
        return tokens == 0 ? nil : generation
    }

    /// What the prompt is put behind.
    private struct Target {
        var work = Work.Target.detached
        var serial: UInt64?
        var supplied: Work.SuppliedState?
        /// Whether there is one thing only to go on with.
        var isOne: Bool { serial != nil || supplied != nil }

        init(
            _ fields: Fields, _ served: ServedModel, _ service: Service, _ request: Request
        ) throws(Problem) {
            let session = try fields.string("session_id")
            if let bytes = try fields.stateFile() {
                guard session == nil else { throw .invalid("Give session_id or state, not both.", "state") }
                supplied = try service.suppliedState(bytes, request, at: "state", of: served).state
            } else if let session {
                let (record, owner) = try service.session(session, request)
                guard owner.id == served.id else {
                    throw Problem(
                        .conflict, "state-model-mismatch",
                        "Session \"\(session)\" is of model \"\(owner.id)\", the request is for model \"\(served.id)\"."
                    )
                }
                (work, serial) = (.session(record.id), record.serial)
            }
        }
    }

    /// A text, or its tokens.
    private struct Prompt {
        let input: InputSequence
        var tokens: [Int] { if case .tokens(let tokens) = input { tokens } else { [] } }

        func text(_ served: ServedModel) -> String { served.tokenizer?.decode(tokens) ?? "" }

        /// `prompt`: a string, an array of strings, an array of tokens, or an array of such.
        static func all(
            _ fields: Fields, _ served: ServedModel, mayBeMissing: Bool
        ) throws(Problem) -> [Prompt] {
            guard let field = fields["prompt"], field.kind != .string || field.string != "" || !mayBeMissing else {
                if mayBeMissing { return [Prompt(input: .empty)] }
                throw .invalid("prompt is missing.", "prompt")
            }
            if field.kind == .array, field.elements.contains(where: { $0.kind != .number }) {
                guard field.count <= mostChoices else {
                    throw .invalid("prompt must have at most \(mostChoices) elements.", "prompt")
                }
                var prompts: [Prompt] = []
                for (index, element) in field.elements.enumerated() {
                    prompts.append(Prompt(input: try fields.prompt(element, "prompt[\(index)]", served)))
                }
                return prompts
            }
            return [Prompt(input: try fields.prompt(field, "prompt", served))]
        }
    }
}

extension Fields {
    fileprivate func prompt(
        _ value: JSONValue, _ name: String, _ served: ServedModel
    ) throws(Problem) -> InputSequence {
        switch value.kind {
        case .string: .tokens(try tokens(ofText: value, name, served))
        case .array: .tokens(try tokens(value, name, served))
        default: throw .invalid("\(name) must be a string or an array of tokens.", name)
        }
    }
}
