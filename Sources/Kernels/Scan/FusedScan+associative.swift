import Threading

/// What associative scans of one batch leave between their two passes.
///
/// A block of `Batch.scanBlock` steps is scanned from a state of zero, and beside each local hidden state stands the
/// product of what all gates up to there keep: h_t = local_t + product_t · carry, where the carry is the state before
/// the block. Carries are combined in order of blocks; then every row is mended.
struct ScanBlocks {
    /// Rows × channels: products of 1 − z.
    let decay: Matrix
    /// Rows × channels: the first row of each block holds its carry.
    let carry: Matrix
}

extension FusedScan {
    /// Combines the carries of the batch's associative blocks, moves the states and mends the hidden states.
    func combine(
        _ batch: Batch, _ place: Place, _ blocks: ScanBlocks, _ member: borrowing Team.Member
    ) {
        let (states, hidden, decay, carry) = (place.states, place.hidden, blocks.decay, blocks.carry)
        member.share((channels + 63) / 64) { unit in
            for segment in batch.segments where segment.isAssociative {
                let (first, last) = (segment.rows.lowerBound, segment.rows.upperBound - 1)
                let state = unsafe states.base + batch.sequences[first] * states.stride + place.offset
                for channel in stride(from: unit * 64, to: min(channels, unit * 64 + 64), by: 8) {
                    let lanes = channels - channel
                    let before = unsafe load(state + channel, first: lanes)
                    unsafe store(before, carry.base + first * carry.stride + channel)
                    let local = unsafe load(hidden.base + last * hidden.stride + channel)
                    let kept = unsafe load(decay.base + last * decay.stride + channel)
                    unsafe store(local.addingProduct(kept, before), state + channel, first: lanes)
                }
            }
        }
        member.barrier()
        member.share(batch.segments.count) { unit in
            let segment = batch.segments[unit]
            guard segment.isAssociative else { return }
            let before = unsafe carry.base + segment.rows.lowerBound * carry.stride
            for row in segment.rows {
                let (at, kept) = unsafe (hidden.base + row * hidden.stride, decay.base + row * decay.stride)
                for channel in stride(from: 0, to: channels, by: 8) {
                    unsafe store(
                        load(at + channel).addingProduct(load(kept + channel), load(before + channel)), at + channel)
                }
            }
        }
    }
}
