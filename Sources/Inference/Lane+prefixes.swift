import Kernels
import Recurrent
import Sessions

/// Prompts that begin like others are absorbed from there.
///
/// A work that begins with a fresh state resumes at the longest kept beginning of its input. It leaves a state where it
/// branches off from others, at its end, and at a few places between. While another work is absorbing the same tokens it
/// waits for that one to come to where they part.
extension Lane {
    /// Shorter inputs, and shorter gains, are not worth a state.
    static let leastPrefix = 32
    /// States that a long input leaves on its way.
    static let spread = 8
    static let leastSpread = 512

    /// Lets a work begin as far on as it can. False when it waits for another, and has given its slot back.
    func resumePrefix(_ operation: Operation) -> Bool {
        guard case .tokens(let tokens) = operation.work.input, mayResume(operation, tokens) else { return true }
        let (model, owner) = (served.id, operation.work.owner)
        let kept = sessions.resume(tokens, of: model, owner: owner, into: workspace.states, row: operation.slot)
        if operation.mayFollow, let (leader, common) = leader(for: operation, tokens, beyond: kept) {
            leader.cuts.insert(common)
            (operation.leader, operation.cut, operation.mayFollow) = (leader, common, false)
            giveSlotBack(operation)
            letGo(operation)
            following.append(operation)
            return false
        }
        (operation.consumed, operation.cachedSteps) = (kept, kept)
        operation.step += kept
        var cuts: Set<Int> = [tokens.count]
        let branch = sessions.commonPrefix(tokens, of: model, owner: owner)
        if branch > kept, branch >= Self.leastPrefix { cuts.insert(branch) }
        var stride = Self.leastSpread
        while tokens.count / stride > Self.spread { stride *= 2 }
        for cut in Swift.stride(from: stride, to: tokens.count, by: stride) where cut > kept { cuts.insert(cut) }
        operation.cuts = cuts
        operation.leads = true
        return true
    }

    private func mayResume(_ operation: Operation, _ tokens: [Int]) -> Bool {
        let work = operation.work
        guard work.usesCache, tokens.count >= Self.leastPrefix, work.scan != .associative, work.outputs != .all,
            !work.score,
            work.supplied == nil, operation.step == 0, operation.consumed == 0
        else { return false }
        // A session at step 0 may have been given any state.
        return operation.session == nil
            || workspace.states.values(operation.slot).elementsEqual(served.model.initialState)
    }

    /// Who is absorbing the longest beginning of `tokens` and has not yet gone its own way.
    private func leader(
        for operation: Operation, _ tokens: [Int], beyond kept: Int
    ) -> (leader: Operation, common: Int)? {
        var best: (leader: Operation, common: Int)?
        for other in absorbing where other.leads && other.work.owner == operation.work.owner {
            guard case .tokens(let others) = other.work.input else { continue }
            var common = 0
            while common < min(tokens.count, others.count), tokens[common] == others[common] { common += 1 }
            let gain = common - kept
            guard gain >= Self.leastPrefix, other.consumed < common, common > best?.common ?? 0 else { continue }
            best = (other, common)
        }
        return best
    }

    /// The inputs until a state is to be kept, or all that are left.
    func rowsToCut(_ operation: Operation) -> Int {
        guard operation.leads, let cut = operation.cuts.filter({ $0 > operation.consumed }).min() else {
            return operation.remaining
        }
        return min(operation.remaining, cut - operation.consumed)
    }

    /// Keeps the state of a work that has come to a cut, and lets those go on who wait for it.
    func keepPrefix(_ operation: Operation) {
        guard operation.leads, operation.cuts.contains(operation.consumed),
            case .tokens(let tokens) = operation.work.input
        else { return }
        sessions.keep(
            tokens[..<operation.consumed], of: served.id, owner: operation.work.owner, from: workspace.states,
            row: operation.slot, stepCost: served.model.multiplyAdds)
        wakeFollowers(of: operation, upTo: operation.consumed)
    }

    /// Lets those go on who wait for a work, as far as it has come.
    func wakeFollowers(of operation: Operation, upTo consumed: Int = .max) {
        guard !following.isEmpty else { return }
        for follower in following where follower.leader === operation && follower.cut <= consumed {
            follower.leader = nil
            waitingLong.append(follower)
        }
        following.removeAll { $0.leader == nil }
    }
}
