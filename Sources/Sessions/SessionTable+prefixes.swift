import Kernels
import Threading

/// States after prompts, for later prompts that begin with the same tokens.
///
/// They lie in the memory for sessions and are the first to make room: none of them ever drives a session out.
extension SessionTable {
    /// Copies the state after the longest kept beginning of `tokens` into row `row` of `states`.
    /// - Parameter owner: prompts of different owners never meet.
    /// - Returns: how many tokens it has absorbed; 0 where none is kept, and the row is as it was.
    public func resume(_ tokens: [Int], of model: String, owner: String, into states: Matrix, row: Int) -> Int {
        additions.withLock {
            let root = PrefixTree.Root(model: model, owner: owner)
            guard let found = prefixes.longest(of: tokens[...], in: root) else {
                prefixMisses += 1
                return 0
            }
            prefixHits += 1
            slab(model, states.columns * MemoryLayout<Float>.size).read(found.slot, into: states, row: row)
            return found.depth
        }
    }

    /// How many of `tokens` are the beginning of some prompt of which a state is kept.
    public func commonPrefix(_ tokens: [Int], of model: String, owner: String) -> Int {
        additions.withLock { prefixes.path(of: tokens[...], in: PrefixTree.Root(model: model, owner: owner)) }
    }

    /// Keeps row `row` of `states` as the state after `tokens`, if there is room.
    /// - Parameter stepCost: multiply-adds of one step: what is saved for each that need not be done.
    public func keep(
        _ tokens: ArraySlice<Int>, of model: String, owner: String, from states: Matrix, row: Int, stepCost: Int
    ) {
        additions.withLock {
            let root = PrefixTree.Root(model: model, owner: owner)
            let slab = slab(model, states.columns * MemoryLayout<Float>.size)
            guard !prefixes.keeps(tokens, in: root) else { return }
            // What the tree may take for it at most: its tokens and two nodes.
            let needed = slab.slotBytes + 4 * tokens.count + 2 * PrefixTree.nodeBytes
            let limit = budget - (store == nil ? 0 : reserve)
            guard needed <= limit / 4 else { return }
            while accounts.usedBytes + needed > limit { guard dropPrefix() else { return } }
            let before = prefixes.bytes
            let slot = slab.take()
            slab.write(slot, from: states, row: row)
            prefixes.insert(
                tokens, in: root, slot: slot, stateBytes: slab.slotBytes, stepCost: Double(stepCost))
            accounts.charge(slab.slotBytes + prefixes.bytes - before)
        }
    }

    /// States that are kept.
    public var prefixCount: Int { additions.withLock { prefixes.count } }

    /// Gives up the state that saves least for its size. False when there is none. Under `additions`.
    func dropPrefix() -> Bool {
        let before = prefixes.bytes
        guard let entry = prefixes.removeLeast() else { return false }
        accounts.release(entry.slot, of: slab(entry.root.model, entry.stateBytes))
        accounts.charge(prefixes.bytes - before)
        return true
    }

    /// Gives up states until the sessions are no longer crowded by so many bytes. True when that was enough.
    func dropPrefixes(toHave bytes: Int) -> Bool {
        additions.withLock {
            while isCrowded(by: bytes) { guard dropPrefix() else { return false } }
            return true
        }
    }
}
