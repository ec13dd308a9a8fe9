import Glibc
import Synchronization

/// A mistake that a fuzzer has to find, or it tests nothing. Only there while `SCANSTEP_PLANTED_CRASH` is set.
public enum PlantedCrash {
    private static let isThere = unsafe getenv("SCANSTEP_PLANTED_CRASH") != nil
    private static let reached = Atomic<Int>(0)

    /// Reads the byte behind an allocation when "Z.7-" is in `bytes`, which were accepted. No chance meets these four bytes: only whoever sees
    /// what code compares comes upon them, and only the address sanitizer sees the read.
    @inline(never)
    public static func hide(in bytes: some Sequence<UInt8>) {
        let found = isThere ? Array(bytes) : []
        guard found.count >= 4 else { return }
        for start in 0...found.count - 4 {
            compare(found[start..<start + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
        }
    }

    /// Not part of the loop, where the compiler would compare several at once and libFuzzer see none of it.
    @inline(never)
    private static func compare(_ word: UInt32) {
        if word == 0x2D37_2E5A { reached.store(readBehind(3), ordering: .relaxed) }
    }

    @inline(never)
    private static func readBehind(_ count: Int) -> Int {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
        unsafe memory.initialize(repeating: 1, count: count)
        defer { unsafe memory.deallocate() }
        return unsafe Int(memory[count])
    }
}
