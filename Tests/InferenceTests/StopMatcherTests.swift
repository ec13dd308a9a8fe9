import TestSupport
import Testing

@testable import Inference

@Suite("StopMatcher: pieces make no difference")
struct StopMatcherTests {
    /// The text before the stop text that is complete first, the longest of those that end there, found by looking at
    /// the whole.
    private func reference(_ text: String, _ stops: [String]) -> (text: String, matched: Bool) {
        let bytes = Array(text.utf8)
        for end in 0...bytes.count {
            let ending = stops.filter { !$0.isEmpty && bytes[..<end].suffix($0.utf8.count).elementsEqual($0.utf8) }
            if let longest = ending.map(\.utf8.count).max() {
                return (String(decoding: bytes[..<(end - longest)], as: UTF8.self), true)
            }
        }
        return (text, false)
    }

    private func feed(_ pieces: [String], _ stops: [String]) -> (text: String, matched: Bool) {
        var matcher = StopMatcher(stops)
        var given = ""
        for piece in pieces {
            let (text, matched) = matcher.feed(piece)
            given += text
            if matched { return (given, true) }
        }
        return (given + matcher.flush(), false)
    }

    @Test("every split of random texts gives what a search of the whole text gives", arguments: 0..<60)
    func splits(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let alphabet = seed % 2 == 0 ? ["a", "b"] : ["a", "b", "é", "\u{301}", "🚀"]
        func text(_ lengths: ClosedRange<Int>) -> [String] {
            (0..<Int.random(in: lengths, using: &random)).map { _ in alphabet.randomElement(using: &random)! }
        }
        for _ in 0..<10 {
            let characters = text(1...9)
            let stops = (0..<Int.random(in: 0...4, using: &random)).map { _ in text(0...5).joined() }
            let expected = reference(characters.joined(), stops)
            for split in 0..<1 << (characters.count - 1) {
                var pieces = [characters[0]]
                for index in 1..<characters.count {
                    if split >> (index - 1) & 1 == 1 {
                        pieces.append(characters[index])
                    } else {
                        pieces[pieces.count - 1] += characters[index]
                    }
                }
                let found = feed(pieces, stops)
                if found.text != expected.text || found.matched != expected.matched {
                    Issue.record("\(pieces) with \(stops): \(found) for \(expected)")
                    return
                }
            }
        }
    }

    @Test("text is given out as soon as it can no longer begin a stop text") func promptness() {
        var matcher = StopMatcher(["abc"])
        #expect(matcher.feed("x").text == "x")
        #expect(matcher.feed("a").text == "")
        #expect(matcher.feed("b").text == "")
        #expect(matcher.feed("a").text == "ab")
        #expect(matcher.feed("z").text == "az")
    }

    @Test("without stop texts nothing is held back") func none() {
        for stops in [[], [""], ["", ""]] {
            var matcher = StopMatcher(stops)
            #expect(matcher.feed("abc") == ("abc", false))
            #expect(matcher.flush() == "")
        }
    }
}
