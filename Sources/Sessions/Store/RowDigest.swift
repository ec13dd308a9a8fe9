import Recurrent

/// The digest of a row's contents: the first 16 bytes of SHA-256 over its fields, each in eight bytes or behind its
/// length, so that no two rows have the same input.
struct RowDigest {
    private var fields: [UInt8] = []

    mutating func add(_ number: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            fields.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }

    mutating func add(_ number: Int) { add(UInt64(bitPattern: Int64(number))) }

    mutating func add(_ number: Double) { add(number.bitPattern) }

    mutating func add(_ text: String) {
        add(text.utf8.count)
        fields += text.utf8
    }

    mutating func add(_ bytes: [UInt8]) {
        add(bytes.count)
        fields += bytes
    }

    /// The digest of the fields and of what may be large, which comes last and is not copied.
    func bytes(of content: [UInt8] = []) -> [UInt8] {
        let sha = SHA256()
        sha.update(fields)
        sha.update(content)
        return Array(sha.bytes().prefix(16))
    }
}
