import Testing

@testable import JSON

func parse(_ text: String) throws(JSONError) -> JSONValue { try JSONDocument(parsing: Array(text.utf8)).root }

@Suite struct JSONDocumentTests {
    @Test("Each kind of value reads as itself and as nothing else")
    func kinds() throws {
        let root = try parse(#"{"o":{},"a":[],"s":"x","i":-7,"d":1.5,"t":true,"f":false,"n":null}"#)
        #expect(root.kind == .object && root.count == 8)
        #expect(root["o"]?.kind == .object && root["a"]?.kind == .array)
        #expect(root["s"]?.string == "x" && root["s"]?.kind == .string)
        #expect(root["i"]?.int == -7 && root["i"]?.double == -7 && root["i"]?.float == -7)
        #expect(root["d"]?.int == nil && root["d"]?.double == 1.5 && root["d"]?.kind == .number)
        #expect(root["t"]?.bool == true && root["f"]?.bool == false && root["t"]?.kind == .boolean)
        #expect(root["n"]?.isNull == true && root["n"]?.kind == .null)
        #expect(root["missing"] == nil && root["i"]?["x"] == nil)
        for key in ["o", "a", "s", "t", "n"] {
            let value = try #require(root[key])
            #expect(value.int == nil && value.double == nil && value.float == nil)
            #expect((value.string == nil) == (key != "s") && (value.bool == nil) == (key != "t"))
        }
    }

    @Test("A text may be a single value with white space around it")
    func scalars() throws {
        #expect(try parse(" \n\t\r 12 \n").int == 12)
        #expect(try parse("\"a\"").string == "a")
        #expect(try parse("null").isNull)
        #expect(try parse("12").count == 0)
    }

    @Test("Nested values come in the order of the text, and lookups skip what is nested")
    func nesting() throws {
        let root = try parse(#"{"a":[1,[2,{"b":[3.5,null]}],"s"],"c":{"a":9,"d":{}},"b":4}"#)
        #expect(root.members.map(\.key) == ["a", "c", "b"])
        #expect(root["b"]?.int == 4 && root["c"]?["a"]?.int == 9 && root["c"]?.count == 2)
        let elements = try Array(#require(root["a"]).elements)
        #expect(elements.count == 3 && elements[2].string == "s")
        let inner = Array(Array(elements[1].elements)[1]["b"]!.elements)
        #expect(inner[0].double == 3.5 && inner[1].isNull)
        #expect(Array(root.elements).isEmpty && Array(elements[0].members).isEmpty)
    }

    @Test("Escapes and surrogate pairs become UTF-8")
    func escapes() throws {
        let text = #""\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00\u0000é€😀\u2028""#
        #expect(try parse(text).string == "\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{20ac}\u{1F600}\0é€😀\u{2028}")
    }

    @Test(
        "A lone surrogate or an unknown escape is refused",
        arguments: [#""\ud800""#, #""\ud800x""#, #""\udc00""#, #""\ud800\ud800""#, #""\x""#, #""\u12g4""#, #""\u12""#])
    func badEscapes(text: String) {
        #expect(throws: JSONError.self) { try parse(text) }
    }

    @Test(
        "Invalid UTF-8 is refused",
        arguments: [[0xFF], [0xC0, 0x80], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80]]
            as [[UInt8]])
    func invalidUTF8(bytes: [UInt8]) {
        #expect(throws: JSONError.invalid("The text is not valid UTF-8")) {
            try JSONDocument(parsing: [0x22] + bytes + [0x22])
        }
    }

    @Test(
        "What is not JSON is refused",
        arguments: [
            "NaN", "Infinity", "-Infinity", "nan", "1e400", "-1e400", "[1,]", #"{"a":1,}"#, #"{"a":[1],}"#, "[1] x",
            "1 2",
            "{}{}", "01", "+1", "1.", ".5", "-", "1e", "0x10", "tru", "True", "nul", "'a'", #"{a:1}"#, #"{"a" 1}"#,
            #"{"a":}"#, #"{1:2}"#, "[1 2]", "[,1]", "]", "}", "[}", "\"a", "\"a\nb\"", "\"\t\"", "//x\n1", "\u{FEFF}1",
            "123456789012345678901234567890", "{", "[", ":", ",", "[\"a\":1]",
        ])
    func malformed(text: String) throws {
        let error = #expect(throws: JSONError.self) { try parse(text) }
        guard case .invalid(let reason) = try #require(error) else {
            Issue.record("\(text) gave \(String(describing: error))")
            return
        }
        #expect(!reason.isEmpty && error?.description == reason + ".")
    }

    @Test("An empty text is told from a malformed one", arguments: ["", " ", "\n\r\t "])
    func empty(text: String) {
        #expect(throws: JSONError.emptyInput) { try parse(text) }
    }

    @Test("A text cut short at any byte is refused")
    func truncation() {
        let text = Array(#"{"a":[1,-2.5e3,"x\u00e9\n",true],"b":{"c":null,"d":"é"},"e":[]}"#.utf8)
        #expect(throws: Never.self) { try JSONDocument(parsing: text) }
        for count in text.indices {
            #expect(throws: JSONError.self) { try JSONDocument(parsing: Array(text[..<count])) }
        }
    }

    @Test("Nesting is allowed to the limit and refused beyond it, however far")
    func depth() throws {
        let limit = JSONDocument.maximumDepth
        func nested(_ depth: Int, _ open: String, _ close: String) -> String {
            String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
        }
        var value = try parse(nested(limit, "[", "]"))
        for _ in 0..<limit { value = try #require(value.elements.first { _ in true }) }
        #expect(value.int == 1)
        #expect(throws: JSONError.tooDeep) { try parse(nested(limit + 1, "[", "]")) }
        #expect(throws: JSONError.tooDeep) { try parse(nested(limit + 1, #"{"a":"#, "}")) }
        #expect(throws: JSONError.tooDeep) { try parse(nested(1_000_000, "[", "]")) }
        #expect(throws: JSONError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
    }

    @Test("A repeated name is found in small and large objects at any depth, and the first member wins a lookup")
    func duplicateKeys() throws {
        let root = try parse(#"{"a":1,"b":{"x":1,"y":[{"z":0,"\u007a":1}]},"c":2}"#)
        #expect(try parse(#"{"a":{"b":1},"c":[2],"é":3}"#).firstKey(notIn: ["é", "c", "a"]) == nil)
        #expect(try parse(#"{"a":{"b":1},"c":[2],"d":3}"#).firstKey(notIn: ["a", "b", "d"]) == "c")
        #expect(try parse("{}").firstKey(notIn: []) == nil && parse("[1]").firstKey(notIn: []) == nil)
        #expect(root.duplicateKey == nil && root.document.firstDuplicateKey == "z")
        #expect(try parse(#"{"a":1,"b":2,"a":3}"#).duplicateKey == "a")
        #expect(try parse(#"{"a":1,"b":2,"a":3}"#)["a"]?.int == 1)
        #expect(try parse(#"[{"a":1},{"a":1}]"#).document.firstDuplicateKey == nil)
        let members = (0..<1000).map { #""k\#($0)":\#($0)"# }
        #expect(try parse("{" + members.joined(separator: ",") + "}").duplicateKey == nil)
        #expect(try parse("{" + (members + [#""k500":0"#]).joined(separator: ",") + "}").duplicateKey == "k500")
        // Equal to Unicode, different to JSON.
        #expect(try parse(#"{"\u00e9":1,"e\u0301":2}"#).duplicateKey == nil)
    }

    @Test("Random bytes and random edits of a good text never crash the parser or a walk over its result")
    func fuzz() {
        var random = SeededGenerator(seed: 42)
        let good = Array(#"{"token":5,"vector":[1.5,-2e-3,0],"s":"a\u00e9\n","n":null,"t":[true,{"x":{}}]}"#.utf8)
        let alphabet = Array(#"{}[]",:\u0123456789eE+-. truefalsn"#.utf8)
        var parsed = 0
        for round in 0..<20_000 {
            var bytes: [UInt8]
            switch round % 3 {
            case 0:
                bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in .random(in: 0...255, using: &random) }
            case 1:
                bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in alphabet.randomElement(using: &random)!
                }
            default:
                bytes = good
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    bytes[.random(in: bytes.indices, using: &random)] = alphabet.randomElement(using: &random)!
                }
            }
            if let document = try? JSONDocument(parsing: bytes) {
                parsed += 1
                walk(document.root)
                _ = document.firstDuplicateKey
            }
        }
        #expect(parsed > 100)
    }

    private func walk(_ value: JSONValue) {
        var count = 0
        for (key, member) in value.members {
            #expect(value[key] != nil)
            walk(member)
            count += 1
        }
        for element in value.elements {
            walk(element)
            count += 1
        }
        #expect(count == value.count)
        _ = (value.string, value.bool, value.int, value.double, value.float, value.floats(), value.ints())
    }
}

/// SplitMix64: the same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
