import FuzzSupport

@testable import HTTP

/// What a decoder made of some bytes.
private struct Outcome: Equatable {
    var content: [UInt8] = []
    /// Bytes that it took.
    var taken = 0
    var end = "more"
}

private func decode(_ pieces: [[UInt8]], _ limits: HTTPLimits) -> Outcome {
    var (decoder, outcome) = (ChunkedDecoder(limits: limits), Outcome())
    do throws(HTTPError) {
        for piece in pieces {
            var cursor = 0
            scan: while true {
                let before = cursor
                let step = try decoder.next(piece, from: &cursor)
                demand(before <= cursor && cursor <= piece.count, "from \(before) to \(cursor) of \(piece.count)")
                switch step {
                case .data(let range):
                    demand(!range.isEmpty && range.upperBound == cursor, "data at \(range), cursor at \(cursor)")
                    outcome.content += piece[range]
                case .needMore:
                    demand(cursor == piece.count, "more is wanted with \(piece.count - cursor) bytes there")
                    break scan
                case .end:
                    (outcome.end, outcome.taken) = ("end", outcome.taken + cursor)
                    return outcome
                }
            }
            outcome.taken += cursor
        }
    } catch {
        (outcome.end, outcome.taken) = ("\(error.status.code) \(error.slug): \(error.detail)", 0)
    }
    return outcome
}

/// The same through the body of a request whose bytes come in `pieces`.
private func read(_ pieces: [[UInt8]], _ limits: HTTPLimits) -> Outcome {
    let text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    let head = try! RequestParser.parse(Array(text.utf8))!.head
    var (body, input, outcome) = (RequestContent(head, limits: limits), InputBuffer(), Outcome())
    do throws(HTTPError) {
        for piece in pieces where !body.isComplete {
            input.bytes += piece
            outcome.taken += piece.count
            while let part = try body.next(&input) { outcome.content += part }
        }
        outcome.taken -= input.count
        if body.isComplete { outcome.end = "end" }
    } catch {
        (outcome.end, outcome.taken) = ("\(error.status.code) \(error.slug): \(error.detail)", 0)
    }
    return outcome
}

private let tight = {
    var limits = HTTPLimits()
    (limits.chunkExtensionBytes, limits.trailerBytes) = (16, 32)
    return limits
}()

/// The first byte cuts the others, which are a body as it was sent.
@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe FuzzedInput(start, count)
    let seed = input.byte()
    let bytes = input.rest()
    var isBody = false
    for limits in [HTTPLimits(), tight] {
        let whole = decode([bytes], limits)
        for cut in [0, seed] {
            let pieces = pieces(of: bytes, seed: cut)
            let cut = decode(pieces, limits)
            demand(whole == cut, "in one: \(whole)\nin pieces: \(cut)")
            var body = read(pieces, limits)
            // What came before a mistake, but with it in one piece, is not handed over.
            if body.end != "end", body.end != "more" {
                demand(cut.content.starts(with: body.content), "\(body.content) of \(cut.content)")
                body.content = cut.content
            }
            demand(body == cut, "as a body: \(body)\nas chunks: \(cut)")
        }
        guard whole.end == "end" else { continue }
        let size = Array((String(whole.content.count, radix: 16) + "\r\n").utf8)
        let chunk = whole.content.isEmpty ? [] : size + whole.content + [.cr, .lf]
        let again = decode([chunk + Array("0\r\n\r\n".utf8)], limits)
        demand(again.end == "end" && again.content == whole.content, "coded again: \(again)")
        isBody = true
    }
    if isBody { PlantedCrash.hide(in: bytes) }
    return 0
}
