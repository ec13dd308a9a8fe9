import HTTP
import Inference
import JSON
import Recurrent

/// Which outputs of a work a client wants to see, and how.
struct OutputOptions: Sendable {
    static let fields = ["logits", "top_logprobs"]

    var logits = false
    /// How many of the likeliest tokens; nil for none.
    var top: Int?

    init(_ fields: Fields, _ served: ServedModel) throws(Problem) {
        try self.init(
            logits: try fields.bool("logits"), top: try fields.int("top_logprobs", in: Self.topRange), served)
    }

    /// From the items of a query, of which only those of `fields` are known, each at most once.
    init(query: [(name: String, value: String)], _ served: ServedModel) throws(Problem) {
        var values: [String: String] = [:]
        for (name, value) in query {
            guard Self.fields.contains(name) else {
                throw .invalid(
                    "There is no query parameter \"\(name)\" here; known are \(Self.fields.joined(separator: ", ")).",
                    name)
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw .invalid("Query parameter \"\(name)\" stands twice.", name)
            }
        }
        guard let logits = ["true": true, "false": false][values["logits", default: "false"]] else {
            throw .invalid("logits must be true or false.", "logits")
        }
        let top = values["top_logprobs"].map { $0.utf8.allSatisfy { (48...57).contains($0) } ? Int($0) : nil }
        if let top, !(top.map(Self.topRange.contains) ?? false) {
            throw .invalid(
                "top_logprobs must be a whole number from \(Self.topRange.lowerBound) to \(Self.topRange.upperBound).",
                "top_logprobs")
        }
        try self.init(logits: logits, top: top ?? nil, served)
    }

    private static let topRange = 1...1000

    private init(logits: Bool, top: Int?, _ served: ServedModel) throws(Problem) {
        (self.logits, self.top) = (logits, top)
        if served.model.configuration.output == .logits {
            if !logits && top == nil { self.top = 1 }
        } else if logits || top != nil {
            throw .invalid("Model \"\(served.id)\" gives vectors: it has neither logits nor top_logprobs.")
        }
    }

    /// Refuses work whose outputs after every step would not fit a reply.
    static func check(_ work: Work, _ served: ServedModel) throws(Problem) {
        let size = served.model.configuration.outputSize
        let limit = ReplySize.valueLimit / size
        guard work.outputs == .all, work.input.count > limit else { return }
        throw Problem(
            .unprocessableContent, "reply-too-large",
            "With outputs of \(size) values at most \(limit) steps can be returned at once."
        ).with("limit", limit)
    }

    /// Numbers that are written of an output of `size` values.
    func values(of size: Int) -> Int {
        if !logits, top == nil { return size }
        return (logits ? size : 0) + min(top ?? 0, size)
    }

    /// Writes the output of one step.
    func write(_ values: ArraySlice<Float>, _ served: ServedModel, to json: inout JSONWriter) {
        json.beginObject()
        if served.model.configuration.output == .logits {
            if logits {
                json.key("logits")
                json.floats(values)
            }
            if let top {
                json.key("top")
                json.beginArray()
                if top == 1 {
                    Self.write(RankedToken.best(of: values), served, to: &json)
                } else {
                    for ranked in RankedToken.best(top, of: values) { Self.write(ranked, served, to: &json) }
                }
                json.endArray()
            }
        } else {
            json.key("vector")
            json.floats(values)
        }
        json.endObject()
    }

    private static func write(_ ranked: RankedToken, _ served: ServedModel, to json: inout JSONWriter) {
        json.beginObject()
        json.field("token", ranked.token)
        if let tokenizer = served.tokenizer { json.field("text", tokenizer.decode(ranked.token)) }
        json.field("logprob", ranked.logprob)
        json.endObject()
    }

    /// Writes `output` or `outputs`, as the work has them.
    func writeOutputs(_ completion: Completion, _ work: Work, _ served: ServedModel, to json: inout JSONWriter) {
        let size = served.model.configuration.outputSize
        switch work.outputs {
        case .none: break
        case .last:
            json.key("output")
            write(completion.outputs[...], served, to: &json)
        case .all:
            json.key("outputs")
            json.beginArray()
            for start in stride(from: 0, to: completion.outputs.count, by: size) {
                write(completion.outputs[start..<start + size], served, to: &json)
            }
            json.endArray()
        }
        if work.score {
            json.key("score")
            json.beginObject()
            json.field("logprob", completion.score.logprob)
            json.field("steps", completion.score.steps)
            json.endObject()
        }
    }
}
