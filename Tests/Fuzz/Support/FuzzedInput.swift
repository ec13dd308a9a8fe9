/// The bytes of one run of a fuzzer, taken from the front: first the few that choose what is done, then the rest.
public struct FuzzedInput {
    private var bytes: ArraySlice<UInt8>

    /// What libFuzzer hands to `LLVMFuzzerTestOneInput`.
    public init(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        unsafe bytes = Array(UnsafeBufferPointer(start: start, count: count))[...]
    }

    /// The next byte; 0 behind the end.
    public mutating func byte() -> UInt8 { bytes.popFirst() ?? 0 }

    /// All bytes up to the next zero, which is dropped; all where there is none.
    public mutating func untilZero() -> [UInt8] {
        let end = bytes.firstIndex(of: 0) ?? bytes.endIndex
        defer { bytes = bytes[min(end + 1, bytes.endIndex)...] }
        return Array(bytes[..<end])
    }

    /// All bytes that are left.
    public mutating func rest() -> [UInt8] {
        defer { bytes = [] }
        return Array(bytes)
    }
}

/// Cuts `bytes` into pieces of lengths that `seed` determines; for 0 into single bytes.
public func pieces(of bytes: [UInt8], seed: UInt8) -> [[UInt8]] {
    var (pieces, start, random): ([[UInt8]], Int, UInt64) = ([], 0, UInt64(seed))
    while start < bytes.count {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        // Short pieces and long ones, so that both the seams and what lies between them come apart.
        let longest = seed == 0 ? 1 : 1 << Int(random >> 33 % 8)
        let end = min(bytes.count, start + 1 + Int(random >> 40) % longest)
        pieces.append(Array(bytes[start..<end]))
        start = end
    }
    return pieces
}

/// Ends the process where something that must hold does not: libFuzzer keeps the input.
public func demand(_ holds: Bool, _ message: @autoclosure () -> String) {
    if !holds { fatalError(message()) }
}
