import FuzzSupport
import JSON

private let routes =
    ["/v1/sessions", "/v1/prefill", "/v1/step"]
    + ["t", "v"].flatMap { session in
        ["step", "prefill", "generate", "fork", "checkpoints", "rewind"].map { "/v1/sessions/\(session)/\($0)" }
    }
    + ["/v1/completions", "/v1/tokenize", "/v1/detokenize", "/v2/repository/index"]
    + ["/v2/models/tokens/infer", "/v2/models/vectors/infer", "/v2/models/tokens/generate"]

/// Statuses that a body may lead to while the server is neither full nor ending.
private let statuses: Set<Int> = [200, 201, 400, 404, 409, 410, 412, 422, 429, 504]

nonisolated(unsafe) private let live = LiveAPI()

/// A reply is JSON, one value, one a line or one an event, and a refusal a problem of its status or an error.
private func check(_ reply: Client.Reply) {
    demand(statuses.contains(reply.status), "\(reply.status): \(reply.text)")
    switch reply.type {
    case "application/x-ndjson":
        for line in reply.body.split(separator: UInt8(ascii: "\n")) { _ = parse(Array(line)) }
        demand(reply.body.last == UInt8(ascii: "\n"), "the last line has no end: \(reply.text)")
    case "text/event-stream":
        let lines = reply.text.split(separator: "\n").filter { $0.hasPrefix("data: ") }.map { $0.dropFirst(6) }
        for line in lines where line != "[DONE]" { _ = parse(Array(line.utf8)) }
    case "application/octet-stream": demand(reply.status == 200 && reply.body.first == UInt8(ascii: "{"), reply.text)
    case "application/json" where reply.status < 300:
        demand([.object, .array].contains(parse(reply.body).kind), reply.text)
    case "application/json": demand(parse(reply.body)["error"]?.string?.isEmpty == false, reply.text)
    case "application/problem+json":
        let problem = parse(reply.body)
        demand(problem["status"]?.int == reply.status && problem["detail"]?.string?.isEmpty == false, reply.text)
    default: fatalError("a reply of type \(reply.type)")
    }
}

private func parse(_ bytes: [UInt8]) -> JSONValue {
    guard let document = try? JSONDocument(parsing: bytes) else {
        fatalError("not JSON: \(String(decoding: bytes, as: UTF8.self))")
    }
    demand(document.firstDuplicateKey == nil, "a name twice: \(String(decoding: bytes, as: UTF8.self))")
    return document.root
}

/// The first byte, from `a` on, is the route, the others are the body. What is refused moves nothing.
@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe FuzzedInput(start, count)
    let route = routes[Int(input.byte() &- UInt8(ascii: "a")) % routes.count]
    let body = input.rest()
    let reply = unsafe live.client.ask("POST", route, body)
    check(reply)
    if reply.status < 300 {
        unsafe live.reset()
    } else {
        unsafe live.checkUntouched("\(route): \(reply.status) \(reply.text)")
    }
    if reply.status != 400 { PlantedCrash.hide(in: body) }
    return 0
}
