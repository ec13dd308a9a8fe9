import Kernels
import Recurrent

/// States of one model, in slots of equal size: memory grows by blocks of slots and is reused, never moved.
///
/// Not synchronised: the table's lock guards it.
@safe final class StateSlab {
    /// Bytes of one state.
    let slotBytes: Int
    private let slotsPerBlock: Int
    private var blocks = unsafe [UnsafeMutableRawPointer]()
    private var used = 0
    private var free: [Int] = []
    /// For each slot with several owners, how many beside the first.
    private var coOwners: [Int: Int] = [:]

    init(slotBytes: Int) {
        precondition(slotBytes > 0, "slots of \(slotBytes) bytes")
        self.slotBytes = slotBytes
        slotsPerBlock = max(1, (1 << 20) / slotBytes)
    }

    deinit {
        for index in unsafe blocks.indices { unsafe blocks[index].deallocate() }
    }

    /// A slot for one state; its content is whatever was there.
    func take() -> Int {
        if let slot = free.popLast() { return slot }
        if unsafe used == blocks.count * slotsPerBlock {
            unsafe blocks.append(.allocate(byteCount: slotsPerBlock * slotBytes, alignment: 64))
        }
        used += 1
        return used - 1
    }

    /// Whether a slot has several owners: a state that is never written to, only left.
    func isShared(_ slot: Int) -> Bool { coOwners[slot] != nil }

    /// So many owners more.
    func share(_ slot: Int, by owners: Int) { coOwners[slot, default: 0] += owners }

    /// One owner less; true when that was the last and the slot is free.
    func giveBack(_ slot: Int) -> Bool {
        guard let others = coOwners[slot] else {
            free.append(slot)
            return true
        }
        coOwners[slot] = others > 1 ? others - 1 : nil
        return false
    }

    /// Copies the state in `slot` to row `row` of `states`.
    func read(_ slot: Int, into states: Matrix, row: Int) {
        unsafe states.withMutableBytes(ofRow: row) { bytes in
            precondition(bytes.count == slotBytes, "state of \(bytes.count) bytes in slots of \(slotBytes)")
            unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(start: address(slot), count: slotBytes))
        }
    }

    /// Copies row `row` of `states` to `slot`.
    func write(_ slot: Int, from states: Matrix, row: Int) {
        precondition(!isShared(slot), "slot \(slot) belongs to several")
        unsafe states.withMutableBytes(ofRow: row) { bytes in
            precondition(bytes.count == slotBytes, "state of \(bytes.count) bytes in slots of \(slotBytes)")
            unsafe address(slot).copyMemory(from: bytes.baseAddress!, byteCount: slotBytes)
        }
    }

    private func address(_ slot: Int) -> UnsafeMutableRawPointer {
        precondition(slot < used, "slot \(slot) of \(used)")
        return unsafe blocks[slot / slotsPerBlock] + slot % slotsPerBlock * slotBytes
    }
}
