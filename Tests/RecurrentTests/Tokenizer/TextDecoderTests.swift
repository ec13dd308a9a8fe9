import TestSupport
import Testing

@testable import Recurrent

@Suite("TextDecoder")
struct TextDecoderTests {
    private static let texts: [[UInt8]] = [
        Array("aé€😀 né".utf8), [0xC3], [0xF0, 0x9F, 0x98], [0xFF, 0xFE, 0x80], [0xE2, 0x28, 0xA1], [0xC0, 0xAF],
        [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF0, 0x80, 0x80, 0x80], [0x80, 0x80, 0x80, 0x80, 0x80],
        Array("e\u{301}\u{1F469}\u{200D}\u{1F680}".utf8),
    ]

    /// What comes out when `bytes` come in parts that end at `cuts`.
    private func decoded(_ bytes: [UInt8], cuts: [Int]) -> [Unicode.Scalar] {
        var decoder = TextDecoder()
        var (text, start) = ("", 0)
        for cut in cuts + [bytes.count] {
            text += decoder.feed(Array(bytes[start..<cut]))
            start = cut
        }
        return Array((text + decoder.flush()).unicodeScalars)
    }

    @Test("any two cuts of any bytes give the text of the whole", arguments: texts)
    func cuts(bytes: [UInt8]) {
        let whole = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
        for first in 0...bytes.count {
            for second in first...bytes.count { #expect(decoded(bytes, cuts: [first, second]) == whole) }
        }
    }

    @Test("and so do random bytes, one by one", arguments: 0..<200)
    func random(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        // Mostly bytes that begin or go on with a character of several.
        let bytes = (0..<40).map { _ in
            [0x41, 0x80, 0xBF, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, UInt8.random(in: 0...255, using: &random)]
                .randomElement(using: &random)!
        }
        #expect(decoded(bytes, cuts: Array(1..<40)) == Array(String(decoding: bytes, as: UTF8.self).unicodeScalars))
    }

    @Test("a character is given out with its last byte and not before") func whole() {
        var decoder = TextDecoder()
        let bytes = Array("😀".utf8)
        #expect(bytes.map { decoder.feed([$0]) } == ["", "", "", "😀"])
        #expect(decoder.feed([0xE2, 0x82]) == "" && decoder.flush() == "\u{FFFD}" && decoder.flush() == "")
    }
}
