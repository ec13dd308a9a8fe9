import Testing

@testable import API

@Suite("Lines that arrive in pieces")
struct LineReaderTests {
    private func lines(_ pieces: [ArraySlice<UInt8>], limit: Int = 100) throws -> [String] {
        var reader = LineReader(limit: limit)
        var lines: [String] = []
        for piece in pieces {
            reader.append(Array(piece))
            while let line = try reader.next() { lines.append(String(decoding: line, as: UTF8.self)) }
        }
        if let rest = try reader.rest() { lines.append("rest " + String(decoding: rest, as: UTF8.self)) }
        return lines
    }

    @Test("are the same wherever they are cut") func cuts() throws {
        let bytes = Array("one\ntwo\r\n\n\r\n{\"é\":1}\nlast".utf8)
        let expected = ["one", "two", "", "", "{\"é\":1}", "rest last"]
        #expect(try lines([bytes[...]]) == expected)
        #expect(try lines(bytes.indices.map { bytes[$0...$0] }) == expected)
        for first in bytes.indices {
            for second in first..<bytes.count {
                #expect(try lines([bytes[..<first], bytes[first..<second], bytes[second...]]) == expected)
            }
        }
        #expect(try lines([Array("a\n".utf8)[...]]) == ["a"])
    }

    @Test("are at most so long, with an end or without one") func limit() throws {
        #expect(try lines([Array("12345\n12345".utf8)[...]], limit: 5) == ["12345", "rest 12345"])
        for text in ["123456\n", "123456", "1\n123456"] {
            #expect(throws: LineReader.TooLong.self) { try lines([Array(text.utf8)[...]], limit: 5) }
        }
    }
}
