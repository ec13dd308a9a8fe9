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

    @Test(
        "Chunks, extensions and trailers are told from what follows them",
        arguments: [
            ("5\r\nhello\r\n0\r\n\r\nGET", "hello ends at 15"),
            ("1;a=b\r\nx\r\n0\r\nA: b\r\n\r\n", "x ends at 21"),
            ("0\r\n\r\n", " ends at 5"),
            ("a\r\n0123456789\r\n", "0123456789 needs more"),
        ])
    func accepted(_ text: String, _ expected: String) {
        #expect(decode(text) == expected)
    }

    @Test(
        "Broken framing is rejected",
        arguments: [
            "\r\n", "g\r\n", "-1\r\n", "0x1\r\n", "1\nx\r\n", "1\rx", "1 \r\nx\r\n", "1\r\nxy\r\n", "1\r\nx\n",
            "1;\u{1}\r\n", "1;a\nx", "fffffffffffffffff\r\n", "0000000000000000\r\n", "0\r\n: 1\r\n\r\n",
            "0\r\nA : 1\r\n\r\n", "0\r\nA: 1\n\r\n", "0\r\n\rx", "1;\(String(repeating: "a", count: 5000))",
        ])
    func rejected(_ text: String) {
        #expect(decode(text) == "400 bad-chunk")
    }

    @Test("Extensions of many chunks count together, and trailers are bounded")
    func bounds() {
        let chunk = "1;\(String(repeating: "e", count: 99))\r\nx\r\n"
        #expect(decode(String(repeating: chunk, count: 40)).hasSuffix("needs more"))
        #expect(decode(String(repeating: chunk, count: 42)) == "400 bad-chunk")
        #expect(decode("0\r\n\(String(repeating: "A: bcdefg\r\n", count: 900))\r\n") == "431 trailer-too-large")
    }
}
