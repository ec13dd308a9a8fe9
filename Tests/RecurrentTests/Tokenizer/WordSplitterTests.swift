import Testing

@testable import Recurrent

@Suite("WordSplitter")
struct WordSplitterTests {
    private func words(_ text: String) -> [String] {
        let bytes = Array(text.utf8)
        var splitter = WordSplitter(bytes, bytes.indices)
        var words: [String] = []
        while let range = splitter.next() { words.append(String(decoding: bytes[range], as: UTF8.self)) }
        return words
    }

    // By hand from the pattern of GPT-2.
    @Test(
        "text is cut where GPT-2's pattern cuts it",
        arguments: [
            ("", []), ("a", ["a"]), ("hello world", ["hello", " world"]), ("  two", [" ", " two"]),
            ("it's we'll they're I'd", ["it", "'s", " we", "'ll", " they", "'re", " I", "'d"]),
            ("'S 'x '", ["'", "S", " '", "x", " '"]), ("don''t", ["don", "''", "t"]),
            ("x1y22!?", ["x", "1", "y", "22", "!?"]), ("a  ", ["a", "  "]), ("a \n b", ["a", " \n", " b"]),
            ("\n\nb", ["\n", "\n", "b"]), ("\tb", ["\t", "b"]), ("½ ²", ["½", " ²"]),
            ("e\u{301}", ["e", "\u{301}"]), ("äöü π中文", ["äöü", " π中文"]), ("\u{3000}中", ["\u{3000}", "中"]),
            ("😀😀 😀a", ["😀😀", " 😀", "a"]), ("a\u{200B}b", ["a", "\u{200B}", "b"]), ("\u{A0} c", ["\u{A0}", " c"]),
        ] as [(String, [String])])
    func table(text: String, expected: [String]) {
        #expect(words(text) == expected)
        #expect(words(text).joined() == text)
    }
}
