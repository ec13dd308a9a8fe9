import Testing

@testable import Recurrent

@Suite("AddedTokens")
struct AddedTokensTests {
    private func split(_ text: String, _ tokens: [AddedTokens.Token]) -> [String] {
        let bytes = Array(text.utf8)
        return AddedTokens(tokens).split(bytes).map { piece in
            switch piece {
            case .token(let id): "#\(id)"
            case .text(let range): String(decoding: bytes[range], as: UTF8.self)
            }
        }
    }

    private func token(_ id: Int32, _ content: String, left: Bool = false, right: Bool = false) -> AddedTokens.Token {
        .init(id: id, content: Array(content.utf8), stripsLeft: left, stripsRight: right)
    }

    @Test("a text without them is one piece, an empty one none") func none() {
        #expect(split("", []) == [] && split("", [token(1, "x")]) == [])
        #expect(split("abc", []) == ["abc"] && split("abc", [token(1, "x"), token(2, "")]) == ["abc"])
    }

    @Test("the longest counts, from the left, and never half of one") func longest() {
        let tokens = [token(1, "<a>"), token(2, "<a><b>"), token(3, "<b>")]
        #expect(split("x<a><b>y", tokens) == ["x", "#2", "y"])
        #expect(split("<a><a><b>", tokens) == ["#1", "#2"])
        #expect(split("<a <b><b", tokens) == ["<a ", "#3", "<b"])
    }

    @Test("white space beside one goes with it where it says so") func stripping() {
        #expect(split("a \u{3000}<t> b", [token(1, "<t>", left: true)]) == ["a", "#1", " b"])
        #expect(split("a <t> \n b", [token(1, "<t>", right: true)]) == ["a ", "#1", "b"])
        #expect(split("  <t>  ", [token(1, "<t>", left: true, right: true)]) == ["#1"])
        #expect(split("<t>  b", [token(1, "<t>", right: true), token(2, "  ")]) == ["#1", "#2", "b"])
    }
}
