import JSON

/// What the elements of a tensor are, as the Open Inference Protocol calls them.
enum TensorDatatype: String, Sendable {
    case int32 = "INT32"
    case int64 = "INT64"
    case float32 = "FP32"
    /// Strings of bytes.
    case bytes = "BYTES"

    /// Bytes of one element; nil where each has a length of its own.
    var size: Int? {
        switch self {
        case .int32, .float32: 4
        case .int64: 8
        case .bytes: nil
        }
    }
}

/// A tensor of a request: its elements stand in the JSON, flat or nested, or behind it, little-endian, in row-major order.
struct InferTensor {
    let name: String
    let datatype: TensorDatatype
    let shape: [Int]
    /// Elements of the shape.
    private let count: Int
    private let place: String
    private let content: Content

    private enum Content {
        case json(JSONValue)
        case binary(ArraySlice<UInt8>)
    }

    /// - Parameter binary: what stands behind the JSON; the tensor takes its part from the beginning.
    init(_ value: JSONValue, at place: String, binary: inout ArraySlice<UInt8>) throws(Problem) {
        let fields = try Fields(value, at: place, allowed: ["name", "datatype", "shape", "parameters", "data"])
        self.place = place
        name = try fields.required("name")
        let type = try fields.required("datatype")
        guard let datatype = TensorDatatype(rawValue: type) else {
            throw .invalid("\(place)datatype is \(type); input \"\(name)\" may be INT32, INT64, FP32 or BYTES.")
        }
        self.datatype = datatype
        guard let dimensions = fields["shape"]?.ints(), let count = Self.elements(of: dimensions) else {
            throw .invalid("\(place)shape must be an array of 1 to 8 dimensions, together at most 2^40 elements.")
        }
        (shape, self.count) = (dimensions, count)
        var parameters: Fields?
        if let value = fields["parameters"] {
            parameters = try Fields(value, at: place + "parameters.", allowed: ["binary_data_size"])
        }
        guard let size = try parameters?.int("binary_data_size", in: 0...Int.max) else {
            guard let data = fields["data"], data.kind == .array else {
                throw .invalid(
                    "\(place)data must be an array, or parameters.binary_data_size say what is behind the JSON.")
            }
            content = .json(data)
            return
        }
        guard fields["data"] == nil else {
            throw .invalid("\(place)data is in the JSON, so parameters.binary_data_size must not be there.")
        }
        if let each = datatype.size, size != count * each {
            throw .invalid(
                "\(place)parameters.binary_data_size is \(size); shape \(dimensions) of \(type) takes \(count * each) bytes."
            )
        }
        guard size <= binary.count else {
            throw .invalid(
                "\(place)parameters.binary_data_size is \(size), and only \(binary.count) bytes are left behind the JSON."
            )
        }
        content = .binary(binary.prefix(size))
        binary = binary.dropFirst(size)
    }

    /// How many elements a tensor of these dimensions has; nil where they are no shape or the tensor is too large. Bounded
    /// after each dimension: a zero at the end must not hide an overflow before it.
    private static func elements(of dimensions: [Int]) -> Int? {
        guard (1...8).contains(dimensions.count) else { return nil }
        var count = 1
        for dimension in dimensions {
            guard (0...1 << 40).contains(dimension) else { return nil }
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow, product <= 1 << 40 else { return nil }
            count = product
        }
        return count
    }

    /// The elements of an `INT32` or `INT64`.
    func integers() throws(Problem) -> [Int] {
        switch content {
        case .json:
            var numbers: [Int] = []
            for element in try elements() {
                guard let number = element.int, datatype == .int64 || Int32(exactly: number) != nil else {
                    throw .invalid("\(place)data must be of whole numbers, for \"\(name)\" is \(datatype.rawValue).")
                }
                numbers.append(number)
            }
            return numbers
        case .binary(let bytes):
            return datatype == .int64
                ? words(bytes, 8).map { Int(Int64(bitPattern: $0)) }
                : words(bytes, 4).map { Int(Int32(truncatingIfNeeded: $0)) }
        }
    }

    /// The elements of an `FP32`, all finite.
    func floats() throws(Problem) -> [Float] {
        var numbers: [Float] = []
        switch content {
        case .json:
            for element in try elements() {
                guard let number = element.float else { throw .invalid("\(place)data must be of numbers.") }
                numbers.append(number)
            }
        case .binary(let bytes): numbers = words(bytes, 4).map { Float(bitPattern: UInt32(truncatingIfNeeded: $0)) }
        }
        guard numbers.allSatisfy({ $0.isFinite }) else {
            throw .invalid("\(place)data of \"\(name)\" has NaN, infinity or a number beyond the range of FP32.")
        }
        return numbers
    }

    /// The elements of a `BYTES`: in JSON the UTF-8 of strings, in binary each behind its length.
    func strings() throws(Problem) -> [[UInt8]] {
        var strings: [[UInt8]] = []
        switch content {
        case .json:
            for element in try elements() {
                guard let text = element.string else { throw .invalid("\(place)data must be of strings.") }
                strings.append(Array(text.utf8))
            }
        case .binary(var bytes):
            while strings.count < count {
                let length = words(bytes.prefix(4), 4).first.map { Int($0) }
                guard let length, length <= bytes.count - 4 else {
                    throw .invalid("\(place)\"\(name)\" ends within element \(strings.count) of \(count).")
                }
                strings.append(Array(bytes.dropFirst(4).prefix(length)))
                bytes = bytes.dropFirst(4 + length)
            }
            guard bytes.isEmpty else {
                throw .invalid("\(place)\"\(name)\" has \(bytes.count) bytes behind its \(count) elements.")
            }
        }
        return strings
    }

    /// Whether the elements stand behind the JSON.
    var isBinary: Bool { if case .binary = content { true } else { false } }

    /// Little-endian numbers of `size` bytes.
    private func words(_ bytes: ArraySlice<UInt8>, _ size: Int) -> [UInt64] {
        stride(from: bytes.startIndex, to: bytes.endIndex - size + 1, by: size).map { start in
            bytes[start..<start + size].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// The elements of `data`, in order, however they are nested.
    private func elements() throws(Problem) -> [JSONValue] {
        guard case .json(let data) = content else { return [] }
        var flat: [JSONValue] = []
        flat.reserveCapacity(min(count, data.count))
        func visit(_ value: JSONValue, _ depth: Int) throws(Problem) {
            guard value.kind == .array else { return flat.append(value) }
            guard depth < shape.count else {
                throw .invalid("\(place)data is nested deeper than the \(shape.count) dimensions of shape.")
            }
            for element in value.elements { try visit(element, depth + 1) }
        }
        try visit(data, 0)
        guard flat.count == count else {
            throw .invalid("\(place)data has \(flat.count) elements; shape \(shape) has \(count).")
        }
        return flat
    }
}
