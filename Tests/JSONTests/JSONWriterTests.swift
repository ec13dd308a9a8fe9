import Testing

@testable import JSON

@Suite struct JSONWriterTests {
    private func written(_ write: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        write(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test("Commas and colons are where they belong")
    func structure() {
        let text = written { writer in
            writer.beginObject()
            writer.field("a", 1)
            writer.key("b")
            writer.beginArray()
            writer.null()
            writer.bool(true)
            writer.beginArray()
            writer.endArray()
            writer.beginObject()
            writer.endObject()
            writer.raw(Array(#"{"r":0}"#.utf8))
            writer.string("s")
            writer.endArray()
            writer.field("c", false)
            writer.key("d")
            writer.ints([1, -2, .min, .max, 0])
            writer.field("e", "x")
            writer.field("f", 0.5 as Float)
            writer.field("g", 2.5)
            writer.endObject()
        }
        #expect(
            text == #"{"a":1,"b":[null,true,[],{},{"r":0},"s"],"c":false,"#
                + #""d":[1,-2,-9223372036854775808,9223372036854775807,0],"e":"x","f":0.5,"g":2.5}"#)
    }

    @Test("Lines of NDJSON begin afresh")
    func lines() {
        let text = written { writer in
            writer.int(1)
            writer.newline()
            writer.beginObject()
            writer.endObject()
            writer.newline()
        }
        #expect(text == "1\n{}\n")
    }

    @Test("Floats are short and keep the sign of zero")
    func floats() {
        let text = written { writer in writer.floats([0.1, 1, -0.0, 1e-5, 3.4028235e38, 16_777_216] as [Float]) }
        #expect(text == "[0.1,1.0,-0.0,1e-05,3.4028235e+38,16777216.0]")
        let numbers: [Float] = [1.5, -2]
        #expect(written { $0.floats(numbers.span) } == "[1.5,-2.0]")
        #expect(written { $0.floats(numbers.lazy.map { $0 * 2 }) } == "[3.0,-4.0]")
    }

    @Test("Quotes, backslashes and control characters are escaped, other text passes")
    func escapes() {
        #expect(
            written { $0.string("a\"b\\c\n\r\t\u{8}\0\u{1f}\u{7f}é😀/\u{2028}") }
                == "\"a\\\"b\\\\c\\n\\r\\t\\u0008\\u0000\\u001f\u{7f}é😀/\u{2028}\"")
        #expect(written { $0.key("k\"\n") } == "\"k\\\"\\n\":")
        #expect(written { $0.key("plain") } == "\"plain\":")
    }

    @Test("Integers are written with all their digits and no others")
    func digits() {
        for number in [0, 1, 9, 10, 11, 99, 100, 101, 1_000_000, -1, -10, .max, .min, .max - 7] {
            #expect(written { $0.int(number) } == "\(number)")
        }
    }

    @Test("Any string reads back as it was written, as a value and as a name")
    func stringRoundTrip() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<2_000 {
            let scalars = (0..<Int.random(in: 0...40, using: &random)).compactMap { _ in
                Unicode.Scalar(UInt32.random(in: 0...(Bool.random(using: &random) ? 0x7F : 0x10FFFF), using: &random))
            }
            var text = ""
            text.unicodeScalars.append(contentsOf: scalars)
            var writer = JSONWriter()
            writer.beginObject()
            writer.field(text, text)
            writer.endObject()
            let root = try JSONDocument(parsing: writer.bytes).root
            #expect(root[text]?.string?.utf8.elementsEqual(text.utf8) == true)
            #expect(root[text]?.isString(text) == true)
        }
    }

    @Test("A writer can be used again")
    func reuse() {
        var writer = JSONWriter(capacity: 8)
        writer.int(1)
        writer.removeAll()
        writer.int(2)
        #expect(writer.bytes == Array("2".utf8))
    }
}
