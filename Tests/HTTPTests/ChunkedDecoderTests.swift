import Testing

@testable import HTTP

private func decode(_ pieces: [ArraySlice<UInt8>], limits: HTTPLimits = HTTPLimits()) -> String {
    var decoder = ChunkedDecoder(limits: limits)
    var content: [UInt8] = []
    var consumed = 0
    do throws(HTTPError) {
        for piece in pieces {
            let bytes = Array(piece)
            var cursor = 0
            defer { consumed += cursor }
            scan: while true {
                switch try decoder.next(bytes, from: &cursor) {
                case .data(let range): content += bytes[range]
                case .needMore: break scan
                case .end: return "\(String(decoding: content, as: UTF8.self)) ends at \(consumed + cursor)"
                }
            }
        }
        return "\(String(decoding: content, as: UTF8.self)) needs more"
    } catch {
        return "\(error.status.code) \(error.slug)"
    }
}

private func decode(_ text: String) -> String { decode([Array(text.utf8)[...]]) }

struct ChunkedDecoderTests {
    @Test(
        "Every cut of the bytes into two or three pieces gives the same outcome",
        arguments: [
            "5\r\nhello\r\n1\r\n \r\n00A\r\n0123456789\r\n0\r\n\r\nnext",
            "3;name=value;q=\"a b\"\r\nabc\r\n2 \t;x\r\nde\r\n0\r\nTrailer: 1\r\nOther:\r\n\r\nmore",
            "5\r\nhelloX\r\n0\r\n\r\n",
            "5\r\nhello\r\n0\r\nbad trailer: 1\r\n\r\n",
            "5\r\nhel",
        ])
    func everySplit(_ text: String) {
        let bytes = Array(text.utf8)
        let whole = decode([bytes[...]])
        #expect(whole == decode(bytes.indices.map { bytes[$0...$0] }))
        for first in bytes.indices {
            for second in first..<bytes.count {
                #expect(whole == decode([bytes[..<first], bytes[first..<second], bytes[second...]]))
            }
        }
    }

    @Test("Extensions of many chunks count together, and trailers are bounded")
    func bounds() {
        let chunk = "1;\(String(repeating: "e", count: 99))\r\nx\r\n"
        #expect(decode(String(repeating: chunk, count: 40)).hasSuffix("needs more"))
        #expect(decode(String(repeating: chunk, count: 42)) == "400 bad-chunk")
        #expect(decode("0\r\n\(String(repeating: "A: bcdefg\r\n", count: 900))\r\n") == "431 trailer-too-large")
    }
}
