import Glibc
import Synchronization

/// A mistake that a fuzzer has to find, or it tests nothing. Only there while `SCANSTEP_PLANTED_CRASH` is set.
public enum PlantedCrash {
    private static let isThere = unsafe getenv("SCANSTEP_PLANTED_CRASH") != nil
    private static let reached = Atomic<Int>(0)

    /// Reads the byte behind an allocation when there is a "~" in `found`, which has come through all that is fuzzed. Only
    /// the address sanitizer sees the read.
    @inline(never)
    public static func hide(in found: [UInt8]) {
        guard isThere, found.contains(UInt8(ascii: "~")) else { return }
        reached.store(readBehind(3), ordering: .relaxed)
    }

    @inline(never)
    private static func readBehind(_ count: Int) -> Int {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
        unsafe memory.initialize(repeating: 1, count: count)
        defer { unsafe memory.deallocate() }
        return unsafe Int(memory[count])
    }
}
