import Foundation
import TestSupport
import Testing

@testable import Recurrent

@Suite("TensorFile believes nothing that the file says")
struct TensorFileTests {
    private let valid = Safetensors.data([("a", [2, 3], [1, 2, 3, 4, 5, 6]), ("b", [1], [7]), ("c", [0, 4], [])])

    private func header(_ text: String, bytes: Int = 8) -> Data {
        Safetensors.data(header: text, body: Data(repeating: 0, count: bytes))
    }

    @Test("a valid file gives its tensors back") func good() throws {
        let file = try open(valid)
        #expect(file.names == ["a", "b", "c"])
        #expect(try file.tensor("a", [2, 3]).values() == [1, 2, 3, 4, 5, 6])
        #expect(try file.tensor("b", [1]).values() == [7])
        #expect(try file.tensor("c", [0, 4]).values() == [])
        #expect(try file.tensorIfPresent("d", [1]).map(\.name) == nil)
    }

    @Test("a header may be of any length, one whose bytes are the beginning of another format too")
    func anyLength() throws {
        for length in [0x3C, 0x4B50, 0x0280] {
            let text = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
            let padding = String(repeating: " ", count: length - text.utf8.count)
            #expect(try open(header(text + padding, bytes: 4)).names == ["a"])
        }
    }

    @Test("every proper prefix of a valid file is refused") func truncation() {
        for length in 0..<valid.count {
            #expect(malformation(valid.prefix(length)) != nil, "\(length) of \(valid.count) bytes")
        }
    }

    @Test("bytes behind the last tensor are refused", arguments: [1, 2, 7, 4096]) func trailing(count: Int) {
        #expect(malformation(valid + Data(repeating: 0, count: count))?.contains("last \(count) bytes") == true)
    }

    @Test("a header length that does not fit is refused, however large") func headerLength() {
        for length: UInt64 in [0, 1, 5000, 100_000_001, 1 << 31, 1 << 32, 1 << 63, .max, .max - 7] {
            var data = valid
            unsafe withUnsafeBytes(of: length.littleEndian) { unsafe data.replaceSubrange(0..<8, with: $0) }
            #expect(malformation(data) != nil, "\(length)")
        }
    }

    @Test(
        "a header of another form is refused",
        arguments: [
            "", " ", "x", "null", "[]", "3", "\"a\"", "{", "{}x", "{\"a\":}", "{\"a\":1,}", "{'a':1}", "{\"a\":null}",
            "{\"a\":[]}", "{\"a\":{}}", "\u{FEFF}{}", "{\"\\ud800\":1}", "{\"__metadata__\":{}",
        ])
    func headerForm(text: String) {
        #expect(malformation(header(text, bytes: text == "{}" ? 0 : 8)) != nil)
    }

    @Test(
        "an entry that lacks something, or has it of another type, is refused",
        arguments: [
            "\"shape\":[2],\"data_offsets\":[0,8]", "\"dtype\":\"F32\",\"data_offsets\":[0,8]",
            "\"dtype\":\"F32\",\"shape\":[2]", "\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]",
            "\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]",
            "\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]",
            "\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]",
            "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]",
            "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]",
            "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8.5]",
            "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{\"0\":0,\"1\":8}",
            "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,18446744073709551615]",
        ])
    func entryForm(text: String) {
        #expect(malformation(header("{\"a\":{\(text)}}"))?.contains("lacks") == true)
    }

    @Test(
        "shapes that are negative, overflow or do not fit the bytes are refused",
        arguments: [
            "[-2]", "[-1,-2]", "[1]", "[3]", "[]", "[0]", "[2,0]", "[9223372036854775807]", "[4611686018427387904,4]",
            "[4294967296,4294967296]", "[4294967296,4294967296,0]", "[-9223372036854775808]",
            "[-9223372036854775808,-1]", "[4611686018427387905]", "[2,2]",
        ])
    func shapes(shape: String) {
        let text = "{\"a\":{\"dtype\":\"F32\",\"shape\":\(shape),\"data_offsets\":[0,8]}}"
        #expect(malformation(header(text))?.contains("shape") == true)
    }

    @Test(
        "offsets outside the file or the wrong way round are refused",
        arguments: [
            "[-4,4]", "[8,0]", "[0,9]", "[0,9223372036854775807]", "[9223372036854775800,9223372036854775807]",
            "[-9223372036854775808,8]", "[8,16]",
        ])
    func offsets(offsets: String) {
        let text = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":\(offsets)}}"
        #expect(malformation(header(text))?.contains("truncated or wrong") == true)
    }

    @Test("tensors may neither overlap nor leave gaps nor stand twice") func cover() {
        func two(_ first: String, _ second: String, _ names: (String, String) = ("a", "b"), bytes: Int) -> String? {
            let entries = zip([names.0, names.1], [first, second]).map { name, range in
                let ends = range.split(separator: ",").map { Int($0)! }
                return
                    "\"\(name)\":{\"dtype\":\"F16\",\"shape\":[\((ends[1] - ends[0]) / 2)],\"data_offsets\":[\(range)]}"
            }
            return malformation(header("{\(entries.joined(separator: ","))}", bytes: bytes))
        }
        #expect(two("0,4", "4,8", bytes: 8) == nil)
        #expect(two("4,8", "0,4", bytes: 8) == nil)
        #expect(two("0,6", "4,8", bytes: 8)?.contains("overlaps") == true)
        #expect(two("0,8", "0,8", bytes: 8)?.contains("overlaps") == true)
        #expect(two("0,8", "2,4", bytes: 8)?.contains("overlaps") == true)
        #expect(two("0,8", "4,4", bytes: 8)?.contains("overlaps") == true)
        #expect(two("0,2", "4,8", bytes: 8)?.contains("belong to none") == true)
        #expect(two("2,4", "4,8", bytes: 8)?.contains("belong to none") == true)
        #expect(two("0,2", "2,6", bytes: 8)?.contains("last 2 bytes") == true)
        #expect(two("0,4", "4,8", ("a", "a"), bytes: 8)?.contains("twice") == true)
        #expect(two("0,0", "0,8", bytes: 8) == nil)
        #expect(two("0,8", "8,8", bytes: 8) == nil)
    }

    @Test("metadata and spaces behind the header are no tensors") func metadata() throws {
        let text =
            "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}   "
        let file = try open(header(text, bytes: 4))
        #expect(file.names == ["a"])
        #expect(try file.tensor("a", []).values() == [0])
    }

    @Test("a type that is not served is an error only for whoever asks for the tensor") func otherTypes() throws {
        for type in ["I64", "F64", "BOOL", "F8_E4M3", "f32", "", "F32 "] {
            let file = try open(header("{\"a\":{\"dtype\":\"\(type)\",\"shape\":[1],\"data_offsets\":[0,8]}}"))
            #expect(file.contains("a") && file.names == ["a"])
            #expect(failure { _ = try file.tensor("a", [1]) } == .wrongType(tensor: "a", found: type))
        }
    }

    @Test("what is no regular file cannot be read") func unreadable() {
        let folder = TemporaryFolder()
        for path in [folder.path, folder.path + "/none", "/dev/null", ""] {
            guard case .unreadable? = failure({ _ = try TensorFile(path: path) }) else {
                Issue.record("\(path) was read")
                continue
            }
        }
    }
}
