import JSON
import Testing

@testable import API

@Suite("Tensors of the Open Inference Protocol")
struct InferTensorTests {
    /// The tensor of this JSON, of which `binary` stands behind it, and what is left of that.
    private func tensor(_ json: String, _ binary: [UInt8] = []) throws -> (tensor: InferTensor, rest: Int) {
        let root = try JSONDocument(parsing: Array(json.utf8)).root
        var rest = binary[...]
        return (try InferTensor(root, at: "inputs[0].", binary: &rest), rest.count)
    }

    private func refusal(_ json: String, _ binary: [UInt8] = []) -> String? {
        do {
            let tensor = try tensor(json, binary).tensor
            switch tensor.datatype {
            case .int32, .int64: _ = try tensor.integers()
            case .float32: _ = try tensor.floats()
            case .bytes: _ = try tensor.strings()
            }
            return nil
        } catch {
            return (error as? Problem)?.detail
        }
    }

    private func json(_ type: String, _ shape: String, _ rest: String) -> String {
        "{\"name\":\"x\",\"datatype\":\"\(type)\",\"shape\":\(shape),\(rest)}"
    }

    @Test("elements may be flat or nested, in row-major order") func nesting() throws {
        for data in ["[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]", "[[1,2],[3,4],[5,6]]", "[1,[2,3],4,5,6]"] {
            let tensor = try tensor(json("INT64", "[2,3]", "\"data\":\(data)")).tensor
            #expect(try tensor.integers() == [1, 2, 3, 4, 5, 6])
        }
        let extremes = try tensor(json("INT64", "[2]", "\"data\":[-9223372036854775808,9223372036854775807]")).tensor
        #expect(try extremes.integers() == [.min, .max])
    }

    @Test("behind the JSON they are little-endian, and the next tensor's come after them") func binary() throws {
        let size = "\"parameters\":{\"binary_data_size\":8}"
        let word: [UInt8] = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]
        let long = try tensor(json("INT64", "[1]", size), word + [7, 7])
        #expect(try long.tensor.integers() == [-2] && long.rest == 2)
        #expect(try tensor(json("INT32", "[2]", size), word).tensor.integers() == [-2, -1])
        let floats = try tensor(json("FP32", "[1,2]", size), [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0]).tensor
        #expect(try floats.floats() == [1, -2])
        let bytes = try tensor(
            json("BYTES", "[3]", "\"parameters\":{\"binary_data_size\":15}"),
            [2, 0, 0, 0, 65, 66, 0, 0, 0, 0, 1, 0, 0, 0, 255]
        ).tensor
        #expect(try bytes.strings() == [[65, 66], [], [255]])
    }

    @Test("what does not fit is refused by what was wrong and what would be right") func refusals() {
        let (data, size) = ("\"data\":[1,2]", "\"parameters\":{\"binary_data_size\":8}")
        let cases: [(String, [UInt8], String)] = [
            (json("FP64", "[2]", data), [], "may be INT32, INT64, FP32 or BYTES"),
            (json("INT64", "[3]", data), [], "has 2 elements; shape [3] has 3"),
            (json("INT64", "[]", data), [], "shape must be"), (json("INT64", "[-1]", data), [], "shape must be"),
            (json("INT64", "[1.5]", data), [], "shape must be"),
            (json("INT64", "[1099511627776,1099511627776]", data), [], "shape must be"),
            (json("INT64", "[1099511627776,1099511627776,0]", data), [], "shape must be"),
            (json("INT64", "[0,1,1,1,1,1,1,1,1]", data), [], "shape must be"),
            (json("INT64", "[2]", "\"data\":[[[1,2]]]"), [], "deeper than the 1 dimensions"),
            (json("INT64", "[2]", "\"data\":[1,2.5]"), [], "whole numbers"),
            (json("INT32", "[1]", "\"data\":[2147483648]"), [], "whole numbers"),
            (json("INT64", "[2]", "\"data\":[1,\"2\"]"), [], "whole numbers"),
            (json("FP32", "[1]", "\"data\":[1e39]"), [], "beyond the range"),
            (json("FP32", "[1]", "\"data\":[null]"), [], "of numbers"),
            (json("BYTES", "[1]", "\"data\":[1]"), [], "of strings"),
            (json("INT64", "[1]", size), [1, 2], "only 2 bytes are left"),
            (json("INT64", "[2]", size), [UInt8](repeating: 0, count: 16), "takes 16 bytes"),
            (json("INT64", "[1]", size + ",\"data\":[1]"), [], "must not be there"),
            (json("INT64", "[1]", "\"parameters\":{}"), [], "data must be an array"),
            (json("FP32", "[2]", size), [0, 0, 0xC0, 0x7F, 0, 0, 0, 0], "NaN, infinity"),
            (json("BYTES", "[2]", size), [3, 0, 0, 0, 1, 2, 3, 0], "ends within element 1 of 2"),
            (json("BYTES", "[1]", size), [9, 0, 0, 0, 1, 2, 3, 4], "ends within element 0 of 1"),
            (json("BYTES", "[1]", size), [3, 0, 0, 0, 1, 2, 3, 4], "1 bytes behind its 1 elements"),
        ]
        for (json, binary, reason) in cases {
            let found = refusal(json, binary)
            #expect(
                found?.contains(reason) == true && found?.contains("inputs[0].") == true,
                "\(reason): \(found ?? "taken")")
        }
    }
}
