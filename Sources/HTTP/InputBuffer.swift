/// Bytes that came from a client and are not yet consumed: `bytes[start...]`.
struct InputBuffer {
    var bytes: [UInt8] = []
    private(set) var start = 0

    var count: Int { bytes.count - start }
    var isEmpty: Bool { start == bytes.count }

    /// Drops `count` bytes from the front, and the storage of those dropped once it is worth it.
    mutating func consume(_ count: Int) {
        start += count
        precondition(start <= bytes.count, "consumed \(count) bytes with \(bytes.count - start + count) there")
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: bytes.capacity <= 64 << 10)
            start = 0
        } else if start >= 32 << 10 {
            bytes.removeSubrange(..<start)
            start = 0
        }
    }

    mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(bytes[start..<start + count])
        consume(count)
        return taken
    }
}
