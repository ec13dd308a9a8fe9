import DequeModule
import Kernels
import Recurrent
import Sessions
import Threading

/// The works of one model: those that wait for a slot, and those whose states are being moved.
///
/// A tick makes one batch of everything that is ready: one row for each step, and some rows of prefills. The arithmetic
/// does not depend on the mixture, so neither does any answer. Only the scheduler's thread is in here.
final class Lane {
    /// Rows of prefills that a batch has in any case: the weights are read for one row as for many.
    static let leastPrefill = 24
    /// Ticks for which a work of several keeps its slot while others wait for one.
    static let slotTicks = 16

    let served: ServedModel
    let sessions: SessionTable
    let workspace: Workspace
    let clock: @Sendable () -> Int64
    /// Given every operation that must wait for the store.
    let wait: (Operation, SessionError) -> Void
    /// Told of every operation that has ended.
    private let ended: (Operation) -> Void
    /// Told of each batch before it is computed.
    private let willCompute: (BatchSummary) -> Void

    var waitingSteps = Deque<Operation>()
    /// Those that are new, and those that have given their slots to works that waited.
    var waitingLong = Deque<Operation>()
    /// With a slot, one row a tick: single steps, and works that generate.
    var stepping: [Operation] = []
    /// With a slot, absorbing long inputs; the next to get rows first.
    var absorbing: [Operation] = []
    /// Waiting for another to absorb what their inputs have in common: in no line until it has.
    var following: [Operation] = []
    /// Streams that are not read and have given their slots to works that waited: in no line until they are.
    var parked: [Operation] = []
    /// Just begun, and waiting for the output at the state that they begin with.
    var awaitingOutput: [Operation] = []
    var slots: SlotPool
    private(set) var ticks = 0
    private var seenRemovals = 0
    /// Works under way or waiting, and whether no others are to come.
    var operations = 0
    var isRetired = false

    /// The present batch.
    private(set) var batch = BatchBuilder()
    /// Rows of it after which somebody wants an output; kept for its memory.
    var wantedRows: [Int] = []
    private(set) var cost: TickCost

    init(
        _ served: ServedModel, _ sessions: SessionTable, slots: LaneSlots?, activations: Activations,
        clock: @escaping @Sendable () -> Int64,
        willCompute: @escaping (BatchSummary) -> Void, wait: @escaping (Operation, SessionError) -> Void,
        ended: @escaping (Operation) -> Void
    ) {
        (self.served, self.sessions, self.clock) = (served, sessions, clock)
        (self.willCompute, self.wait, self.ended) = (willCompute, wait, ended)
        self.slots = SlotPool(slots ?? LaneSlots(width: served.model.configuration.widest))
        workspace = Workspace(
            served.model, rows: self.slots.limits.rows, sequences: self.slots.limits.count, in: activations)
        // 50 GFLOP/s: less than most machines have, so that the first batches are rather too small.
        cost = TickCost(guess: Double(2 * served.model.multiplyAdds) / 50)
    }

    func add(_ operation: Operation) {
        if operation.isSingleStep { waitingSteps.append(operation) } else { waitingLong.append(operation) }
    }

    /// Gives back what states have been in. Only while no operation is under way.
    func rest() {
        precondition(operations == 0, "\(operations) operations are under way")
        slots.reset()
        workspace.giveBackStates()
    }

    /// Whether there are steps to be taken.
    var hasSteps: Bool { !waitingSteps.isEmpty || stepping.contains(where: \.isReady) }

    /// Whether a tick would do anything.
    var isRunnable: Bool {
        if !absorbing.isEmpty || hasSteps { return true }
        let hasSlot = slots.hasLong || stepping.contains(where: \.isPaused)
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

        batch.clear()
        for operation in stepping where operation.isReady { batch.add(step: operation) }
        let budget = max(Self.leastPrefill, cost.rows(within: prefillTime))
        batch.add(prefills: absorbing, budget: budget, room: slots.limits.rows - batch.steps, until: rowsToCut)
        guard batch.rows > 0 else { return (0, now) }
        willCompute(batch.summary(of: served.id))
        workspace.clear()
        for run in batch.runs { append(run) }
        served.model.advance(workspace)
        takeOutputs()
        let end = clock()
        cost.note(rows: batch.rows, nanoseconds: end - now)
        for run in batch.runs { conclude(run, at: end) }
        stepping.removeAll { $0.slot < 0 }
        if batch.rows > batch.steps {
            let (absorbing, absorbed) = batch.order(after: self.absorbing)
            self.absorbing = absorbing
            stepping += absorbed
        }
        // Operations that have ended go with their inputs.
        defer { batch.clear() }
        return (batch.steps, end)
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
        guard !awaitingOutput.isEmpty else { return }
        var absorbed: [Operation] = []
        served.model.outputs(workspace, ofStates: awaitingOutput.map(\.slot))
        for (row, operation) in awaitingOutput.enumerated() {
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
        awaitingOutput.removeAll(keepingCapacity: true)
        for operation in absorbed {
            if operation.work.action == .tellOutput { succeed(operation, at: now) } else { settle(operation, at: now) }
        }
        stepping.removeAll { $0.slot < 0 }
        absorbing.removeAll { $0.slot < 0 }
    }
}

extension Lane: Contender {}
