import Kernels
import Recurrent

/// Which operations have a slot of the workspace.
extension Lane {
    func admit(at now: Int64) {
        parked.removeAll { operation in
            // Asked once: its reader may change the answer at any time.
            let goesOn = !operation.isPaused
            if goesOn { waitingLong.append(operation) }
            return goesOn
        }
        while !waitingSteps.isEmpty, let slot = slots.take() { enter(waitingSteps.removeFirst(), slot, at: now) }
        // Only those that wait now: operations that give up a slot for them queue behind them.
        for _ in 0..<waitingLong.count {
            guard let slot = longSlot() else { break }
            enter(waitingLong.removeFirst(), slot, at: now)
        }
    }

    /// A slot for a work of more than one tick: perhaps that of a stream that is not read, or of a work that has had its
    /// ticks. Their states are put aside.
    private func longSlot() -> Int? {
        if let slot = slots.takeLong() { return slot }
        if let index = stepping.firstIndex(where: \.isPaused) {
            parked.append(stepping[index])
            return takeSlot(of: stepping.remove(at: index))
        }
        func hasHadItsTicks(_ operation: Operation) -> Bool {
            !operation.isSingleStep && ticks - operation.slotTick >= Self.slotTicks
        }
        if let index = stepping.firstIndex(where: hasHadItsTicks) {
            waitingLong.append(stepping[index])
            return takeSlot(of: stepping.remove(at: index))
        }
        // The last in line has just had rows; the first is about to have some.
        if let index = absorbing.lastIndex(where: { hasHadItsTicks($0) && $0.consumed > $0.slotConsumed }) {
            waitingLong.append(absorbing[index])
            return takeSlot(of: absorbing.remove(at: index))
        }
        return nil
    }

    private func takeSlot(of operation: Operation) -> Int {
        operation.parkedState = workspace.states.values(operation.slot)
        defer { operation.slot = -1 }
        return operation.slot
    }

    private func enter(_ operation: Operation, _ slot: Int, at now: Int64) {
        start(operation, slot, at: now)
        // A step moves its session in this very tick. What takes longer must not keep others from the memory.
        if operation.slot >= 0, !operation.isSingleStep { letGo(operation) }
    }

    func giveSlotBack(_ operation: Operation) {
        if operation.slot >= 0 { slots.giveBack(operation.slot, isLong: !operation.isSingleStep) }
        operation.slot = -1
    }
}
