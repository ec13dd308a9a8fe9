import CLinux
import Glibc
import Kernels
import Recurrent
import Threading

/// States of one model, in slots of equal size: memory grows by blocks of slots and is reused, never moved.
///
/// Several may own a slot together: then nobody writes to it. Its lock guards who owns what; the bytes of a slot are
/// touched by its owners only, and written by an only owner: that makes `@unchecked Sendable` true.
@safe final class StateSlab: @unchecked Sendable {
    /// Bytes of one state.
    let slotBytes: Int
    private let slotsPerBlock: Int
    private let blockBytes: Int
    private let lock = Lock()
    private var blocks = unsafe [UnsafeMutableRawPointer]()
    private var used = 0
    private var free: [Int] = []
    /// For each slot with several owners, how many beside the first.
    private var coOwners: [Int: Int] = [:]

    init(slotBytes: Int) {
        precondition(slotBytes > 0, "slots of \(slotBytes) bytes")
        self.slotBytes = slotBytes
        slotsPerBlock = max(1, 4 * Self.hugePage / slotBytes)
        blockBytes = (slotsPerBlock * slotBytes + Self.hugePage - 1) / Self.hugePage * Self.hugePage
    }

    /// Bytes of a large page: with them a state anywhere in many gigabytes is found in a few accesses.
    private static let hugePage = 2 << 20

    deinit {
        for index in unsafe blocks.indices { unsafe blocks[index].deallocate() }
    }

    /// A slot for one state; its content is whatever was there.
    func take() -> Int {
        lock.withLock {
            if let slot = free.popLast() { return slot }
            if unsafe used == blocks.count * slotsPerBlock {
                let block = UnsafeMutableRawPointer.allocate(byteCount: blockBytes, alignment: Self.hugePage)
                // The first stays in small pages: most models have few sessions. It is advice, which may be refused.
                if unsafe !blocks.isEmpty { unsafe madvise(block, blockBytes, MADV_HUGEPAGE) }
                unsafe blocks.append(block)
            }
            used += 1
            return used - 1
        }
    }

    /// Whether a slot has several owners: a state that is never written to, only left.
    func isShared(_ slot: Int) -> Bool { lock.withLock { coOwners[slot] != nil } }

    /// So many owners more.
    func share(_ slot: Int, by owners: Int = 1) { lock.withLock { coOwners[slot, default: 0] += owners } }

    /// One owner less; true when that was the last and the slot is free.
    func giveBack(_ slot: Int) -> Bool {
        lock.withLock {
            guard let others = coOwners[slot] else {
                free.append(slot)
                return true
            }
            coOwners[slot] = others > 1 ? others - 1 : nil
            return false
        }
    }

    /// Has the processor fetch the state in `slot`, which will be read soon: among millions it is in no cache.
    func prefetch(_ slot: Int) {
        let address = unsafe address(slot)
        for offset in stride(from: 0, to: min(slotBytes, Self.prefetched), by: 64) {
            unsafe linux_prefetch(address + offset)
        }
    }

    /// Bytes of a state that are worth that: as many as a batch of them leaves in the cache.
    private static let prefetched = 16 << 10

    /// Copies the state in `slot` to row `row` of `states`.
    func read(_ slot: Int, into states: Matrix, row: Int) {
        let address = unsafe address(slot)
        unsafe states.withMutableBytes(ofRow: row) { bytes in
            precondition(bytes.count == slotBytes, "state of \(bytes.count) bytes in slots of \(slotBytes)")
            unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(start: address, count: slotBytes))
        }
    }

    /// Copies row `row` of `states` to `slot`.
    func write(_ slot: Int, from states: Matrix, row: Int) {
        let address = unsafe addressToWrite(slot)
        unsafe states.withMutableBytes(ofRow: row) { bytes in
            precondition(bytes.count == slotBytes, "state of \(bytes.count) bytes in slots of \(slotBytes)")
            unsafe address.copyMemory(from: bytes.baseAddress!, byteCount: slotBytes)
        }
    }

    /// The state in `slot` as bytes.
    func bytes(_ slot: Int) -> [UInt8] {
        let address = unsafe address(slot)
        return unsafe [UInt8](UnsafeRawBufferPointer(start: address, count: slotBytes))
    }

    /// Makes `bytes` the state in `slot`.
    func write(_ slot: Int, _ bytes: [UInt8]) {
        precondition(bytes.count == slotBytes, "state of \(bytes.count) bytes in slots of \(slotBytes)")
        let address = unsafe addressToWrite(slot)
        unsafe bytes.withUnsafeBytes { unsafe address.copyMemory(from: $0.baseAddress!, byteCount: slotBytes) }
    }

    private func address(_ slot: Int) -> UnsafeMutableRawPointer {
        unsafe lock.withLock { unsafe lockedAddress(slot) }
    }

    private func addressToWrite(_ slot: Int) -> UnsafeMutableRawPointer {
        unsafe lock.withLock {
            precondition(coOwners[slot] == nil, "slot \(slot) belongs to several")
            return unsafe lockedAddress(slot)
        }
    }

    private func lockedAddress(_ slot: Int) -> UnsafeMutableRawPointer {
        precondition(slot < used, "slot \(slot) of \(used)")
        return unsafe blocks[slot / slotsPerBlock] + slot % slotsPerBlock * slotBytes
    }
}
