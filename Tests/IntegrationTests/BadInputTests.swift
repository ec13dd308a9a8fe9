import TestSupport
import Testing

@Suite("Bad input: a clear problem, the server lives on, the session has not moved", .server(LiveModels.both))
struct BadInputTests {
    /// Routes with a body that fits them.
    private static let bodies = [
        ("/v1/prefill", #"{"model":"letters","sequences":[{"tokens":[1],"session":"{letters}"}]}"#),
        ("/v1/step", #"{"steps":[{"session":"{letters}","token":1}]}"#),
        ("/v1/sessions", #"{"model":"letters","tokens":[1]}"#),
        ("/v1/sessions/{letters}/prefill", #"{"tokens":[1]}"#),
        ("/v1/sessions/{letters}/step", #"{"token":1}"#),
        ("/v1/sessions/{letters}/generate", #"{"max_tokens":1}"#),
    ]

    /// What may stand in an object in place of its closing brace and is no JSON.
    private static let badEndings = [
        "", ",}", "}}", "}{}", "},", ",\"x\"}", ",\"x\":}", ",x:1}", ",'x':1}", ",\"x\":01}", ",\"x\":+1}",
        ",\"x\":.5}",
        ",\"x\":NaN}", ",\"x\":Infinity}", ",\"x\":-Infinity}", ",\"x\":1e999}", ",\"x\":\"\\ud800\"}",
        ",\"x\":\"\u{1}\"}",
        ",\"x\":\"", ",\"x\":tru}", ",\"x\":\"\\q\"}", "} // why",
    ]
    private static let badTexts = ["", " ", "{", "nonsense", "\u{feff}{}", String(repeating: "[", count: 100_000)]

    static let malformed: [BadRequest] = bodies.flatMap { path, body in
        let texts: [String] = badTexts + badEndings.map { String(body.dropLast()) + $0 }
        return texts.map { BadRequest(path, $0, 400, "invalid-json") }
    }

    @Test("what is no JSON is 400", arguments: malformed) func json(request: BadRequest) throws { try request.check() }

    static let wholes: [BadRequest] = bodies.flatMap { path, body in
        let inner = body.dropFirst().dropLast()
        let cases: [(String, String)] = [
            ("[]", "object"), ("null", "object"), ("1", "object"), ("\"text\"", "object"), ("[\(body)]", "object"),
            ("{\(inner),\"colour\":1}", "\"colour\""), ("{\(inner),\"colour\":null}", "\"colour\""),
            ("{\(inner),\(inner)}", "twice"),
        ]
        return cases.map { BadRequest(path, $0, 422, "invalid-input", $1) }
    }

    @Test("a body that is no object, or has unknown or repeated fields, is 422", arguments: wholes)
    func whole(request: BadRequest) throws { try request.check() }

    private static let badTokens = [
        ("[19]", "19"), ("[1,-1]", "-1"), ("[1.0]", ""), ("[1.5]", ""), ("[1,\"2\"]", ""), ("[null]", ""),
        ("[[1]]", ""),
        ("[true]", ""), ("{}", ""), ("[9223372036854775807]", ""), ("[18446744073709551615]", ""), ("1", ""),
    ]
    private static let badVectors = [
        ("[]", ""), ("[1,2,3]", ""), ("[[]]", ""), ("[[1,2]]", "2"), ("[[1,2,3,4]]", "4"),
        ("[[1,2,3],[1,2]]", "vectors[1]"),
        ("[[1,2,1e39]]", "range"), ("[[1,2,-1e39]]", "range"), ("[[1,2,\"3\"]]", ""), ("[[1,2,null]]", ""), ("{}", ""),
        ("[[1,2,[3]]]", ""), ("[[1,2,true]]", ""),
    ]

    /// Members of a bad input and a word of the answer, for a model of tokens and for one of vectors.
    private static let tokenInputs: [(String, String)] =
        badTokens.map { ("\"tokens\":\($0)", $1) }
        + [
            (#""text":"""#, ""), (#""tokens":[]"#, ""), (#""text":1"#, ""), (#""text":["a"]"#, ""),
            (#""tokens":[1],"text":"a""#, "tokens"), (#""tokens":[1],"vectors":[[1,2,3]]"#, "vectors"),
            (#""text":"a","tokens":[1],"vectors":[[1,2,3]]"#, "several"), (#""vectors":[[1,2,3]]"#, "vectors"),
            (#""text":"abcZabc""#, "\"Z\" (U+005A) at position 3"), (#""text":"é\n""#, "U+000A"),
            (#""text":"e\u0301""#, "U+0301"),
            (#""text":"😀""#, "U+1F600"),
        ]
    private static let vectorInputs: [(String, String)] =
        badVectors.map { ("\"vectors\":\($0)", $1) }
        + [
            (#""tokens":[1]"#, "vectors"), (#""text":"a""#, "vectors"),
            (#""tokens":[1],"vectors":[[1,2,3]]"#, "several"),
        ]

    static let inputs = inputs(of: "letters", tokenInputs) + inputs(of: "vectors", vectorInputs)

    /// The bad inputs on every route that takes an input.
    private static func inputs(of model: String, _ inputs: [(String, String)]) -> [BadRequest] {
        inputs.flatMap { members, word in
            let sequence = "{\(members),\"session\":\"{\(model)}\"}"
            var requests = [
                BadRequest("/v1/sessions/{\(model)}/prefill", "{\(members)}", 422, "invalid-input", word),
                BadRequest("/v1/sessions", "{\"model\":\"\(model)\",\(members)}", 422, "invalid-input", word),
                BadRequest(
                    "/v1/prefill", "{\"model\":\"\(model)\",\"sequences\":[\(sequence)]}", 422, "invalid-input", word),
            ]
            if model == "letters" {
                requests.append(
                    BadRequest("/v1/sessions/{letters}/generate", "{\(members)}", 422, "invalid-input", word))
            }
            return requests
        }
    }

    @Test("an input that the model cannot take is 422", arguments: inputs)
    func input(request: BadRequest) throws { try request.check() }

    static let steps: [BadRequest] = [
        ("letters", "", "missing"), ("letters", #""token":null"#, "missing"),
        ("letters", #""token":1,"vector":[1,2,3]"#, "both"),
        ("letters", #""vector":[1,2,3]"#, "token"), ("letters", #""token":19"#, "19"),
        ("letters", #""token":-1"#, "-1"),
        ("letters", #""token":1.0"#, ""), ("letters", #""token":"1""#, ""), ("letters", #""token":[1]"#, ""),
        ("letters", #""token":1,"expected_step":-1"#, "expected_step"),
        ("letters", #""token":1,"expected_step":2.0"#, "expected_step"),
        ("letters", #""token":1,"expected_step":"2""#, "expected_step"),
        ("letters", #""token":1,"logits":1"#, "logits"), ("letters", #""token":1,"top_logprobs":0"#, "top_logprobs"),
        ("letters", #""token":1,"top_logprobs":1001"#, "top_logprobs"), ("letters", #""text":"a""#, "text"),
        ("vectors", #""vector":[1,2]"#, "2"), ("vectors", #""vector":[]"#, "0"),
        ("vectors", #""vector":[1,2,3,4]"#, "4"),
        ("vectors", #""vector":[1,2,1e39]"#, "range"), ("vectors", #""vector":[[1,2,3]]"#, ""),
        ("vectors", #""vector":1"#, ""),
        ("vectors", #""token":1"#, "vector"), ("vectors", #""vector":[1,2,3],"logits":true"#, "logits"),
        ("vectors", #""vector":[1,2,3],"top_logprobs":1"#, "logits"),
    ].map { model, members, word in
        BadRequest("/v1/sessions/{\(model)}/step", "{\(members)}", 422, "invalid-input", word)
    }

    @Test("a step that the session cannot take is 422", arguments: steps)
    func step(request: BadRequest) throws { try request.check() }
}
