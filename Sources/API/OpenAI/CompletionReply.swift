import HTTP
import Inference
import JSON
import Recurrent
import Sessions

/// Writes what came of completions as OpenAI's clients read it: whole, or event by event.
struct CompletionReply: Sendable {
    private let served: ServedModel
    private let choices: Int
    private let echoes: [CompletionRequest.Echo]
    private let hasLogprobs: Bool
    private let tellsUsage: Bool
    private let id: String
    private let created: Int

    /// - Parameter created: seconds since 1970.
    init(_ request: CompletionRequest, created: Int) {
        (served, choices, echoes) = (request.served, request.choices, request.echoes)
        (hasLogprobs, tellsUsage) = (request.works[0].logprobs != nil, request.includesUsage)
        (id, self.created) = ("cmpl-" + SessionID.random(), created)
    }

    /// Everything at once.
    func write(_ completions: [Completion]) -> JSONWriter {
        var json = JSONWriter(capacity: 1024)
        json.beginObject()
        writeHead(to: &json)
        json.key("choices")
        json.beginArray()
        for (index, completion) in completions.enumerated() {
            let echo = echoes[index]
            let generated = completion.generated
            let tokens = echo.tokens + (generated?.tokens ?? [])
            var list = TokenList(served)
            if hasLogprobs {
                let scored = completion.scored + (generated?.scored ?? [])
                // What nothing stood before has no probability.
                if scored.count < tokens.count { list.add(tokens[0], nil) }
                for score in scored { list.add(score.token, score) }
            }
            writeChoice(
                index, echo.text + (generated?.text ?? ""), hasLogprobs ? list : nil,
                generated?.finish ?? .length, tokens, to: &json)
        }
        json.endArray()
        writeUsage(completions, to: &json)
        writeEnd(completions[0], to: &json)
        json.endObject()
        return json
    }

    // MARK: Streams

    /// What the choice of that index begins with; empty for those that repeat no prompt, nil where there is no such choice.
    func echoEvent(_ index: Int) -> [UInt8]? {
        guard echoes.indices.contains(index) else { return nil }
        let echo = echoes[index]
        if echo.tokens.isEmpty { return [] }
        return event { json in writeChoice(index, echo.text, nil, nil, echo.tokens, to: &json) }
    }

    /// Bytes of the prompts that are repeated, which choices share.
    var echoBytes: Int {
        stride(from: 0, to: echoes.count, by: choices).reduce(0) {
            $0 + echoes[$1].text.utf8.count + echoes[$1].tokens.count * MemoryLayout<Int>.stride
        }
    }

    /// What a generation has come to; empty where there is nothing to tell yet.
    /// - Parameter offset: of its text so far, in characters.
    func event(_ element: GenerationStream.Element, of index: Int, _ offset: inout Int) -> [UInt8] {
        switch element {
        case .event(let event):
            let text = event.text ?? ""
            var list: TokenList?
            if let scored = event.scored {
                list = TokenList(served, offset: offset)
                list?.add(event.token, scored)
            }
            offset += text.unicodeScalars.count
            if text.isEmpty, list == nil, served.tokenizer != nil { return [] }
            return self.event { json in writeChoice(index, text, list, nil, [event.token], to: &json) }
        case .finished(let completion):
            return self.event(ending: completion) { json in
                writeChoice(index, "", nil, completion.generated?.finish, [], to: &json)
            }
        }
    }

    /// What all of them have used.
    func usageEvent(_ completions: [Completion]) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        writeHead(to: &json)
        json.key("choices")
        json.beginArray()
        json.endArray()
        writeUsage(completions, to: &json)
        json.endObject()
        return StreamFormat.events.frame(json)
    }

    private func event(ending completion: Completion? = nil, _ choice: (inout JSONWriter) -> Void) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        writeHead(to: &json)
        json.key("choices")
        json.beginArray()
        choice(&json)
        json.endArray()
        if tellsUsage { json.fieldNull("usage") }
        if let completion { writeEnd(completion, to: &json) }
        json.endObject()
        return StreamFormat.events.frame(json)
    }

    // MARK: Parts

    private func writeHead(to json: inout JSONWriter) {
        json.field("id", id)
        json.field("object", "text_completion")
        json.field("created", created)
        json.field("model", served.id)
        json.field("system_fingerprint", "fp_" + served.model.fingerprint.prefix(10))
    }

    private func writeChoice(
        _ index: Int, _ text: String, _ logprobs: TokenList?, _ finish: FinishReason?, _ tokens: [Int],
        to json: inout JSONWriter
    ) {
        json.beginObject()
        json.field("text", text)
        json.field("index", index)
        if let logprobs {
            json.key("logprobs")
            logprobs.write(to: &json)
        } else {
            json.fieldNull("logprobs")
        }
        if let finish { json.field("finish_reason", finish.rawValue) } else { json.fieldNull("finish_reason") }
        if served.tokenizer == nil {
            json.key("token_ids")
            json.ints(tokens)
        }
        json.endObject()
    }

    private func writeUsage(_ completions: [Completion], to json: inout JSONWriter) {
        // Choices of one prompt share it.
        let prompts = stride(from: 0, to: completions.count, by: choices).map { completions[$0] }
        let prompt = prompts.reduce(0) { $0 + $1.inputSteps }
        let completed = completions.reduce(0) { $0 + ($1.generated?.tokens.count ?? 0) }
        json.key("usage")
        json.beginObject()
        json.field("prompt_tokens", prompt)
        json.field("completion_tokens", completed)
        json.field("total_tokens", prompt + completed)
        json.key("prompt_tokens_details")
        json.beginObject()
        json.field("cached_tokens", prompts.reduce(0) { $0 + $1.cachedSteps })
        json.endObject()
        json.endObject()
    }

    /// Where the session stands, and the state, for those who go on from it.
    private func writeEnd(_ completion: Completion, to json: inout JSONWriter) {
        if let session = completion.session { json.field("session_id", session.name) }
        if completion.session != nil || completion.state != nil { json.field("step", completion.step) }
        json.state(completion, of: served)
    }
}

/// The object `logprobs`: tokens, how likely each was, and what else was likely.
private struct TokenList {
    private let tokenizer: (any Tokenizer)?
    private var decoder = TextDecoder()
    private var offset: Int
    private var texts: [String] = []
    private var offsets: [Int] = []
    private var scores: [ScoredToken?] = []

    /// - Parameter offset: of the first token in the text, in characters.
    init(_ served: ServedModel, offset: Int = 0) { (tokenizer, self.offset) = (served.tokenizer, offset) }

    mutating func add(_ token: Int, _ score: ScoredToken?) {
        texts.append(text(of: token))
        scores.append(score)
        offsets.append(offset)
        if let tokenizer { offset += decoder.feed(tokenizer.bytes(of: token)).unicodeScalars.count }
    }

    /// As OpenAI writes tokens: those that are no text of their own by their bytes.
    private func text(of token: Int) -> String {
        guard let tokenizer else { return "token_id:\(token)" }
        let bytes = tokenizer.bytes(of: token)
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        return "bytes:" + bytes.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.key("tokens")
        json.beginArray()
        for text in texts { json.string(text) }
        json.endArray()
        json.key("token_logprobs")
        json.beginArray()
        for score in scores { if let score { json.float(score.logprob) } else { json.null() } }
        json.endArray()
        json.key("top_logprobs")
        json.beginArray()
        for score in scores { if let score { write(score.top, to: &json) } else { json.null() } }
        json.endArray()
        json.key("text_offset")
        json.ints(offsets)
        json.endObject()
    }

    private func write(_ top: [RankedToken], to json: inout JSONWriter) {
        json.beginObject()
        var names: Set<String> = []
        // Two tokens may be one text; the likelier stands for it.
        for ranked in top where names.insert(text(of: ranked.token)).inserted {
            json.field(text(of: ranked.token), ranked.logprob)
        }
        json.endObject()
    }
}
