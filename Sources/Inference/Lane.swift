import DequeModule
import Kernels
import Recurrent
import Sessions
import Threading

/// What a batch is made of.
struct BatchSummary: Equatable {
    /// The served model's id.
    let model: String
    /// Rows of single steps and of generated tokens.
    let steps: Int
    /// Rows of long inputs.
    let prefill: Int
}

/// The works of one model: those that wait for a slot, and those whose states are being moved.
///
/// A tick makes one batch of everything that is ready: one row for each step, and some rows of prefills. The arithmetic
/// does not depend on the mixture, so neither does any answer. Only the scheduler's thread is in here.
final class Lane {
    /// A work in the present batch, and how many of its rows.
    struct Run {
        let operation: Operation
        let count: Int
    }

    /// Rows of prefills that a batch has in any case: the weights are read for one row as for many.
    static let leastPrefill = 24
    /// Ticks for which a work of several keeps its slot while others wait for one.
    static let slotTicks = 16

    let served: ServedModel
    let sessions: SessionTable
    let workspace: Workspace
    private let slots: LaneSlots
    let clock: @Sendable () -> Int64
    /// Given every operation that must wait for the store.
    let wait: (Operation, SessionError) -> Void
    /// Told of every operation that has ended.
    private let ended: (Operation) -> Void
    /// Told of each batch before it is computed.
    private let willCompute: (BatchSummary) -> Void

    private(set) var waitingSteps = Deque<Operation>()
    /// Those that are new, and those that have given their slots to works that waited.
    var waitingLong = Deque<Operation>()
    /// With a slot, one row a tick: single steps, and works that generate.
    private(set) var stepping: [Operation] = []
    /// With a slot, absorbing long inputs; the next to get rows first.
    private(set) var absorbing: [Operation] = []
    /// Waiting for another to absorb what their inputs have in common: in no line until it has.
    var following: [Operation] = []
    /// Streams that are not read and have given their slots to works that waited: in no line until they are.
    private var parked: [Operation] = []
    /// Just begun, and in need of the output that the state stands at.
    private var needing: [Operation] = []
    private var freeSlots: [Int]
    /// Slots of works that take more than one tick.
    private var longSlots = 0
    private var ticks = 0
    private var seenRemovals = 0
    /// Works under way or waiting, and whether no others are to come.
    var operations = 0
    var isRetired = false

    // The present batch, kept for their memory:
    var batch: [Run] = []
    var wantedRows: [Int] = []
    private var demands: [PrefillCut.Demand] = []
    private var counts: [Int] = []
    private(set) var cost: TickCost

    init(
        _ served: ServedModel, _ sessions: SessionTable, slots: LaneSlots?, activations: Activations,
        clock: @escaping @Sendable () -> Int64,
        willCompute: @escaping (BatchSummary) -> Void, wait: @escaping (Operation, SessionError) -> Void,
        ended: @escaping (Operation) -> Void
    ) {
        (self.served, self.sessions, self.clock) = (served, sessions, clock)
        (self.willCompute, self.wait, self.ended) = (willCompute, wait, ended)
        self.slots = slots ?? LaneSlots(width: served.model.configuration.widest)
        workspace = Workspace(
            served.model, rows: self.slots.rows, sequences: self.slots.count, in: activations)
        freeSlots = Array((0..<self.slots.count).reversed())
        // 50 GFLOP/s: less than most machines have, so that the first batches are rather too small.
        cost = TickCost(guess: Double(2 * served.model.multiplyAdds) / 50)
    }

    func add(_ operation: Operation) {
        if operation.isSingleStep { waitingSteps.append(operation) } else { waitingLong.append(operation) }
    }

    /// Gives back what states have been in. Only while no operation is under way.
    func rest() {
        precondition(operations == 0, "\(operations) operations are under way")
        // The lowest first again: states that are next to each other share pages.
        freeSlots = Array((0..<slots.count).reversed())
        workspace.giveBackStates()
    }

    /// Whether there are steps to be taken.
    var hasSteps: Bool { !waitingSteps.isEmpty || stepping.contains(where: \.isReady) }

    /// Whether a tick would do anything.
    var isRunnable: Bool {
        if !absorbing.isEmpty || hasSteps { return true }
        let hasSlot = longSlots < slots.long || stepping.contains(where: \.isPaused)
        return hasSlot && (!waitingLong.isEmpty || parked.contains { !$0.isPaused })
    }

    /// Admits what waits, absorbs one batch and ends what is done.
    /// - Parameters:
    ///   - now: the time, in nanoseconds.
    ///   - prefillTime: nanoseconds that prefills may add to the batch, beyond `leastPrefill` rows.
    /// - Returns: rows of steps, and the time when the results were there.
    func tick(at now: Int64, prefillTime: Int64) -> (steps: Int, end: Int64) {
        ticks += 1
        dropEndedSessions()
        admit(at: now)
        computeStateOutputs(at: now)

        batch.removeAll(keepingCapacity: true)
        for operation in stepping where operation.isReady { batch.append(Run(operation: operation, count: 1)) }
        let steps = batch.count
        let rows = steps + cutPrefills(room: slots.rows - steps, time: prefillTime)
        guard rows > 0 else { return (0, now) }
        willCompute(BatchSummary(model: served.id, steps: steps, prefill: rows - steps))
        workspace.clear()
        for run in batch { append(run) }
        served.model.advance(workspace)
        takeOutputs()
        let end = clock()
        cost.note(rows: rows, nanoseconds: end - now)
        for run in batch { conclude(run, at: end) }
        // Works that have ended go with their inputs.
        batch.removeAll(keepingCapacity: true)
        stepping.removeAll { $0.slot < 0 }
        if rows > steps { sortPrefills() }
        return (steps, end)
    }

    /// Ends all works with `error`.
    func abandon(_ error: InferenceError) {
        let all = stepping + absorbing + parked + following + waitingSteps + waitingLong
        stepping.removeAll()
        absorbing.removeAll()
        parked.removeAll()
        following.removeAll()
        waitingSteps.removeAll()
        waitingLong.removeAll()
        for operation in all { end(operation, .failure(error)) }
    }

    /// Ends works that nobody waits for, or whose time is over. Returns the earliest deadline of the others.
    func sweep(at now: Int64) -> Int64 {
        var earliest = Int64.max
        removeAll { operation in
            if let reason = operation.dropReason(at: now) { return reason }
            if let deadline = operation.work.deadline { earliest = min(earliest, deadline) }
            return nil
        }
        return earliest
    }

    /// Ends works whose session has ended, before more is computed.
    private func dropEndedSessions() {
        let removals = sessions.removals
        guard removals != seenRemovals else { return }
        seenRemovals = removals
        removeAll { operation in
            guard let session = operation.session else { return nil }
            do throws(SessionError) {
                try sessions.check(session.id, serial: session.serial)
                return nil
            } catch {
                return .session(error)
            }
        }
    }

    /// Ends those for which there is a reason.
    private func removeAll(_ reason: (Operation) -> InferenceError?) {
        var removed: [(Operation, InferenceError)] = []
        func mustGo(_ operation: Operation) -> Bool {
            guard let reason = reason(operation) else { return false }
            removed.append((operation, reason))
            return true
        }
        waitingSteps.removeAll(where: mustGo)
        waitingLong.removeAll(where: mustGo)
        stepping.removeAll(where: mustGo)
        absorbing.removeAll(where: mustGo)
        parked.removeAll(where: mustGo)
        following.removeAll(where: mustGo)
        // Not while a queue is gone through: the end of a work lets the next of its session in.
        for (operation, reason) in removed { end(operation, .failure(reason)) }
    }

    // MARK: Slots

    private func admit(at now: Int64) {
        parked.removeAll { operation in
            // Asked once: its reader may change the answer at any time.
            let goesOn = !operation.isPaused
            if goesOn { waitingLong.append(operation) }
            return goesOn
        }
        while !waitingSteps.isEmpty, let slot = freeSlots.popLast() { enter(waitingSteps.removeFirst(), slot, at: now) }
        // Only those that wait now: who gives a slot up for one of them is behind them.
        for _ in 0..<waitingLong.count {
            guard let slot = longSlot() else { break }
            enter(waitingLong.removeFirst(), slot, at: now)
        }
    }

    /// A slot for a work of more than one tick: perhaps that of a stream that is not read, or of a work that has had its
    /// ticks. Their states are put aside.
    private func longSlot() -> Int? {
        if longSlots < slots.long, let slot = freeSlots.popLast() { return slot }
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
        longSlots -= 1
        defer { operation.slot = -1 }
        return operation.slot
    }

    private func enter(_ operation: Operation, _ slot: Int, at now: Int64) {
        start(operation, slot, at: now)
        // A step moves its session in this very tick. What takes longer must not keep others from the memory.
        if operation.slot >= 0, !operation.isSingleStep { letGo(operation) }
    }

    private func start(_ operation: Operation, _ slot: Int, at now: Int64) {
        workspace.touch(sequence: slot)
        operation.slot = slot
        operation.slotTick = ticks
        operation.slotConsumed = operation.consumed
        if !operation.isSingleStep { longSlots += 1 }
        if let reason = operation.dropReason(at: now) { return end(operation, .failure(reason)) }
        if let state = operation.parkedState {
            workspace.states.set(slot, to: state)
            operation.parkedState = nil
            guard operation.isUnsaved else { return resume(operation) }
            operation.isUnsaved = false
            settle(operation, at: now)
            if operation.slot >= 0 { resume(operation) }
            return
        }
        operation.started = now
        do throws(SessionError) {
            switch operation.work.target {
            case .detached: workspace.reset(slot)
            case .create(let id):
                if let id, !operation.work.replaces, let record = try? sessions.record(id) {
                    guard operation.work.idempotency != nil, record.model == served.id else { throw .exists(id: id) }
                    // This very request may have made it.
                    try load(operation, id)
                } else {
                    workspace.reset(slot)
                }
            case .session(let id):
                if operation.work.needsNoState,
                    let record = sessions.damaged(id, serial: operation.work.serial, model: served.id)
                {
                    workspace.reset(slot)
                    (operation.session, operation.step) = (record, record.step)
                } else {
                    try load(operation, id)
                }
            case .put(let id):
                if !operation.work.replaces, (try? sessions.record(id)) != nil { try load(operation, id) }
            }
        } catch {
            return refuse(operation, error)
        }
        if replay(operation, at: now) { return }
        if case .create(let id?) = operation.work.target, operation.session != nil {
            return refuse(operation, .exists(id: id))
        }
        guard fulfilsCondition(operation) else { return end(operation, .failure(.conditionFailed)) }
        if let supplied = operation.work.supplied {
            workspace.states.set(slot, to: supplied.values)
            operation.step = supplied.step
        }
        begin(operation, at: now)
    }

    func giveSlotBack(_ operation: Operation) {
        if operation.slot >= 0 {
            freeSlots.append(operation.slot)
            if !operation.isSingleStep { longSlots -= 1 }
        }
        operation.slot = -1
    }

    /// Goes on with a work whose state is there.
    private func begin(_ operation: Operation, at now: Int64) {
        let work = operation.work
        if let expected = work.expectedStep, expected != operation.step {
            return end(operation, .failure(.stepMismatch(expected: expected, step: operation.step)))
        }
        if let expected = work.expectedVersion, expected != operation.session?.stateVersion {
            return end(operation, .failure(.stateReplaced))
        }
        let emitted = work.generation.map { $0.maximumTokens - $0.prior.count } ?? 0
        guard work.input.count + emitted <= Steps.largest - operation.step else {
            return end(operation, .failure(.stepLimit(step: operation.step, limit: Steps.largest)))
        }
        if let generation = work.generation {
            if operation.step == 0 && work.input.count == 0 { return end(operation, .failure(.nothingAbsorbed)) }
            operation.generator = Generator(generation, served.tokenizer)
            operation.savedTokens = generation.prior.count
        } else if work.action == .tellOutput {
            if operation.step == 0 { return end(operation, .failure(.nothingAbsorbed)) }
            needing.append(operation)
            return resume(operation)
        } else if work.input.count == 0 {
            // To look at a session is not to move it.
            let isMoved = work.supplied != nil || operation.session == nil
            if !isMoved || commit(operation) { succeed(operation, at: now) }
            return
        }
        guard resumePrefix(operation) else { return }
        let isAbsorbed = operation.remaining == 0
        if isAbsorbed, work.generation == nil, work.outputs == .none { return settle(operation, at: now) }
        if isAbsorbed || work.score && operation.step > 0 { needing.append(operation) }
        resume(operation)
    }

    private func resume(_ operation: Operation) {
        if operation.remaining > 1 { absorbing.append(operation) } else { stepping.append(operation) }
    }

    /// Ends a work that has done all but the last things.
    func succeed(_ operation: Operation, at now: Int64) {
        var completion = operation.completion(at: now)
        if operation.work.wantsState { completion.state = workspace.states.values(operation.slot) }
        do throws(SessionError) {
            try act(operation, &completion)
        } catch {
            return refuse(operation, error)
        }
        end(operation, .success(completion))
    }

    func end(_ operation: Operation, _ result: Result<Completion, InferenceError>) {
        if operation.leads { wakeFollowers(of: operation) }
        operation.leader = nil
        giveSlotBack(operation)
        operation.parkedState = nil
        operation.result = result
        ended(operation)
    }

    // MARK: The batch

    private func computeStateOutputs(at now: Int64) {
        guard !needing.isEmpty else { return }
        var absorbed: [Operation] = []
        served.model.outputs(workspace, ofStates: needing.map(\.slot))
        for (row, operation) in needing.enumerated() {
            guard workspace.outputs.isFinite(row) else {
                end(operation, .failure(.nonFinite(step: operation.step)))
                continue
            }
            if operation.work.score, case .tokens(let tokens) = operation.work.input, let first = tokens.first {
                score(operation, first, row)
            }
            if operation.remaining == 0, operation.work.generation == nil {
                // All of its input was absorbed before it came.
                workspace.outputs.append(row, 0..<workspace.outputs.columns, to: &operation.outputs)
                absorbed.append(operation)
            } else if operation.remaining == 0 {
                operation.draw(workspace.outputs.values(row))
            }
        }
        needing.removeAll(keepingCapacity: true)
        for operation in absorbed {
            if operation.work.action == .tellOutput { succeed(operation, at: now) } else { settle(operation, at: now) }
        }
        stepping.removeAll { $0.slot < 0 }
        absorbing.removeAll { $0.slot < 0 }
    }

    /// Adds rows of prefills to the batch, as many as fit, and returns their number.
    private func cutPrefills(room: Int, time: Int64) -> Int {
        guard !absorbing.isEmpty else { return 0 }
        demands.removeAll(keepingCapacity: true)
        for operation in absorbing {
            let block = operation.work.scan == .associative ? RecurrentModel.scanBlock : 1
            demands.append(PrefillCut.Demand(step: operation.step, remaining: rowsToCut(operation), block: block))
        }
        let budget = max(Self.leastPrefill, cost.rows(within: time))
        PrefillCut.share(demands, budget: budget, room: room, into: &counts)
        var rows = 0
        for (operation, count) in zip(absorbing, counts) where count > 0 {
            batch.append(Run(operation: operation, count: count))
            rows += count
        }
        return rows
    }

    /// Lets prefills that had no rows be the first next time, and those that are through go on to generate.
    private func sortPrefills() {
        demands.removeAll(keepingCapacity: true)
        var (waiting, moved): ([Operation], [Operation]) = ([], [])
        for (operation, count) in zip(absorbing, counts) where operation.slot >= 0 {
            if operation.remaining == 0 {
                stepping.append(operation)
            } else if count == 0 {
                waiting.append(operation)
            } else {
                moved.append(operation)
            }
        }
        absorbing = waiting + moved
    }
}
