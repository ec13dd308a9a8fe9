import Foundation

/// Writes safetensors files: a separate implementation of the format, for tests of the reader.
public enum Safetensors {
    /// The bytes of a file that holds `tensors` as float32, in the given order; those of `halves` as float16.
    public static func data(
        _ tensors: [(name: String, shape: [Int], values: [Float])], halves: (String) -> Bool = { _ in false }
    ) -> Data {
        var header: [String] = []
        var body = Data()
        for (name, shape, values) in tensors {
            precondition(values.count == shape.reduce(1, *))
            let (start, isHalf) = (body.count, halves(name))
            for value in values {
                if isHalf {
                    withUnsafeBytes(of: Float16(value).bitPattern.littleEndian) { body.append(contentsOf: $0) }
                } else {
                    withUnsafeBytes(of: value.bitPattern.littleEndian) { body.append(contentsOf: $0) }
                }
            }
            let type = isHalf ? "F16" : "F32"
            header.append(
                "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(start),\(body.count)]}")
        }
        return data(header: "{" + header.joined(separator: ",") + "}", body: body)
    }

    /// The bytes of a file with any header and body.
    public static func data(header: String, body: Data) -> Data {
        var data = Data()
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { data.append(contentsOf: $0) }
        return data + Data(header.utf8) + body
    }
}
