import TestSupport
import Testing

@testable import Recurrent

@Suite("CharacterTokenizer")
struct CharacterTokenizerTests {
    // Letters, a combining accent and its composed form, emoji with a joiner and a skin tone, a flag, NUL and newline.
    private static let scalars = Array(
        "ab\u{301}e\u{E9}\u{1F469}\u{200D}\u{1F680}\u{1F3FD}\u{1F1E9}\u{1F1EA}\0\n\r\u{10FFFF}".unicodeScalars)
    private let tokenizer = CharacterTokenizer(characters: scalars)!

    @Test("any text of its characters comes back scalar by scalar", arguments: 0..<50)
    func roundTrip(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        var text = String.UnicodeScalarView()
        for _ in 0..<seed { text.append(Self.scalars.randomElement(using: &random)!) }
        let tokens = try tokenizer.encode(String(text))
        #expect(tokens.count == seed)
        #expect(Array(tokens.map(tokenizer.decode).joined().unicodeScalars) == Array(text))
    }

    @Test("token i is the i-th character") func order() throws {
        #expect(tokenizer.vocabularySize == Self.scalars.count)
        for (token, scalar) in Self.scalars.enumerated() {
            #expect(try tokenizer.encode(String(scalar)) == [token])
            #expect(Array(tokenizer.decode(token).unicodeScalars) == [scalar])
        }
    }

    @Test("an unknown character is named with its place in scalars, not in glyphs or bytes") func unknown() {
        func refusal(_ text: String) -> UnknownCharacter? {
            do throws(UnknownCharacter) {
                _ = try tokenizer.encode(text)
                return nil
            } catch {
                return error
            }
        }
        #expect(refusal("") == nil)
        #expect(refusal("z") == .init(character: "z", position: 0))
        #expect(refusal("e\u{301}z") == .init(character: "z", position: 2))
        #expect(refusal("\u{1F469}\u{200D}\u{1F680}Z") == .init(character: "Z", position: 3))
        #expect(refusal("a\u{302}") == .init(character: "\u{302}", position: 1))
        #expect(refusal("\u{1F1E9}\u{1F1EB}") == .init(character: "\u{1F1EB}", position: 1))
        #expect(refusal("\r\nz") == .init(character: "z", position: 2))
    }

    @Test("a composed and a decomposed letter are different characters") func canonicalEquivalence() throws {
        #expect(try tokenizer.encode("\u{E9}") != tokenizer.encode("e\u{301}"))
    }

    @Test("repetitions and an empty list are no tokenizer") func lists() {
        #expect(CharacterTokenizer(characters: []) == nil)
        #expect(CharacterTokenizer(characters: ["a", "b", "a"]) == nil)
    }
}
