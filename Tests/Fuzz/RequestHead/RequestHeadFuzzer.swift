import FuzzSupport

@testable import HTTP

/// What a parser made of some bytes: every head that it found, and how it ended.
private struct Outcome: Equatable {
    var heads: [Head] = []
    var end = ""

    struct Head: Equatable {
        var method: Method
        var minorVersion: Int
        var target: [UInt8]
        var path: [UInt8]
        var query: [UInt8]
        var fields: [[UInt8]] = []
        var framing: RequestHead.Framing
        var keepsAlive: Bool
        var expectsContinue: Bool

        init(_ head: RequestHead) {
            let bytes = head.fields.bytes
            (method, minorVersion, framing) = (head.method, head.minorVersion, head.framing)
            (keepsAlive, expectsContinue) = (head.keepsAlive, head.expectsContinue)
            (target, path) = (Array(bytes[head.targetRange]), Array(bytes[head.pathRange]))
            query = Array(bytes[head.queryRange])
            for field in head.fields.entries { fields += [Array(bytes[field.name]), Array(bytes[field.value])] }
        }

        /// The head written in the plainest way.
        var bytes: [UInt8] {
            var bytes = Array("\(method.rawValue) ".utf8) + target + Array(" HTTP/1.\(minorVersion)\r\n".utf8)
            for index in stride(from: 0, to: fields.count, by: 2) {
                bytes += fields[index] + [UInt8(ascii: ":")] + fields[index + 1] + [.cr, .lf]
            }
            return bytes + [.cr, .lf]
        }
    }
}

/// Parses one head after the other out of bytes that come in `pieces`.
private func parse(_ pieces: [[UInt8]], _ limits: HTTPLimits, _ visit: (RequestHead) -> Void = { _ in }) -> Outcome {
    var (parser, input, outcome) = (RequestParser(limits: limits), InputBuffer(), Outcome())
    do throws(HTTPError) {
        for piece in pieces {
            input.bytes += piece
            while let head = try parser.next(&input) {
                visit(head)
                outcome.heads.append(Outcome.Head(head))
            }
        }
        outcome.end = "\(input.count) bytes wait"
    } catch {
        outcome.end = "\(error.status.code) \(error.slug): \(error.detail)"
    }
    return outcome
}

/// Reads all that a handler could ask of a head.
private func read(_ head: RequestHead) {
    for segment in head.segments { demand(segment != "." && segment != "..", "a segment of dots is left") }
    _ = (head.query, head.query("q"), head.fields.pairs, head.fields["host"], head.target)
    _ = RequestIdentifier(head) { 1 }.text(head)
    if let found = try? router.find(head) { _ = found.parameters.values }
}

private let router = {
    var router = Router()
    for pattern in ["/", "/v1/models/{model}", "/v1/sessions/{id}", "/v1/sessions/{id}/checkpoints/{name}"] {
        router.on(.get, pattern) { _ in Response() }
    }
    return router
}()

private let tight = {
    var limits = HTTPLimits()
    (limits.headBytes, limits.targetBytes, limits.fields) = (256, 64, 4)
    return limits
}()

/// The first byte cuts the others, which are what a client sends.
@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe FuzzedInput(start, count)
    let seed = input.byte()
    let bytes = input.rest()
    var isHead = false
    for limits in [HTTPLimits(), tight] {
        let whole = parse([bytes], limits, read)
        for cut in [0, seed] {
            let cut = parse(pieces(of: bytes, seed: cut), limits)
            demand(whole == cut, "in one: \(whole)\nin pieces: \(cut)")
        }
        for head in whole.heads {
            let again = parse([head.bytes], limits)
            isHead = true
            demand(again.heads == [head] && again.end == "0 bytes wait", "read: \(head)\nwritten and read: \(again)")
        }
    }
    if isHead { PlantedCrash.hide(in: bytes) }
    return 0
}
