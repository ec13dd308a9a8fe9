import JSON
import Kernels

/// The header of a safetensors file: eight bytes of length (little-endian), then JSON that says what lies in the bytes
/// behind it.
///
/// Everything it says is checked: each tensor's bytes lie behind the header and are as many as its shape and type need,
/// and the tensors cover all of them without overlap or gap (as the format's description demands).
struct SafetensorsHeader {
    struct Entry: Equatable {
        let type: StoredFloat
        let shape: [Int]
        /// Counted from the file's first byte.
        let bytes: Range<Int>
    }

    /// What is wrong with a file, as the rest of a sentence.
    struct Malformed: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    private(set) var entries: [String: Entry] = [:]
    /// Tensors whose type is not served, and that type.
    private(set) var otherTypes: [String: String] = [:]
    /// What their shapes are said to be.
    private(set) var otherShapes: [String: [Int]] = [:]
    private(set) var metadata: [String: String] = [:]

    /// Headers larger than this are refused before they are parsed: the format's own limit.
    static let limit = 100_000_000

    /// - Parameters:
    ///   - count: bytes of the whole file.
    ///   - read: gives the bytes of a range of the file.
    init(count: Int, read: (Range<Int>) -> [UInt8]) throws(Malformed) {
        guard count >= 8 else { throw Malformed("it is only \(count) bytes long") }
        let length = read(0..<8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(Self.limit), 8 + Int(length) <= count else {
            throw Malformed("its header of \(length) bytes does not fit the file of \(count) bytes")
        }
        let start = 8 + Int(length)
        let document: JSONDocument
        do {
            document = try JSONDocument(parsing: read(8..<start))
        } catch {
            throw Malformed("its header is not JSON: \(error)")
        }
        guard document.root.kind == .object else { throw Malformed("its header is not a JSON object") }
        try self.init(document.root, start, count)
    }

    private init(_ root: JSONValue, _ start: Int, _ count: Int) throws(Malformed) {
        var ranges: [(name: String, bytes: Range<Int>)] = []
        for (name, value) in root.members {
            if name == "__metadata__" {
                for (key, text) in value.members { metadata[key] = text.string }
                continue
            }
            guard let typeName = value["dtype"]?.string, let shape = value["shape"]?.ints(),
                let offsets = value["data_offsets"]?.ints(), offsets.count == 2
            else { throw Malformed("tensor \(name) lacks dtype, shape or data_offsets") }
            let size = count - start
            guard offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= size else {
                throw Malformed("tensor \(name) lies at \(offsets) of \(size) bytes: the file is truncated or wrong")
            }
            guard entries[name] == nil, otherTypes[name] == nil else { throw Malformed("tensor \(name) stands twice") }
            let bytes = start + offsets[0]..<start + offsets[1]
            ranges.append((name, bytes))
            guard let type = StoredFloat(rawValue: typeName) else {
                (otherTypes[name], otherShapes[name]) = (typeName, shape)
                continue
            }
            var needed = type.size
            for dimension in shape {
                let (product, overflow) = needed.multipliedReportingOverflow(by: dimension)
                guard dimension >= 0, !overflow else { throw Malformed("tensor \(name) has shape \(shape)") }
                needed = product
            }
            guard needed == bytes.count else {
                throw Malformed("tensor \(name) of shape \(shape) needs \(needed) bytes and has \(bytes.count)")
            }
            entries[name] = Entry(type: type, shape: shape, bytes: bytes)
        }
        var end = start
        for (name, bytes) in ranges.sorted(by: {
            ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound)
        }) {
            if bytes.lowerBound < end { throw Malformed("tensor \(name) overlaps another") }
            if bytes.lowerBound > end {
                throw Malformed("\(bytes.lowerBound - end) bytes before tensor \(name) belong to none")
            }
            end = bytes.upperBound
        }
        if end != count { throw Malformed("its last \(count - end) bytes belong to no tensor") }
    }
}
