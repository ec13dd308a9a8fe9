import DequeModule
import Kernels
import Recurrent
import Sessions

/// The works of one model: those that wait for a slot, and those whose states are being moved.
///
/// A tick makes one batch of everything that is ready: one row for each step, and the rows that are left for prefills.
/// The arithmetic does not depend on the mixture, so neither does any answer. Only the scheduler's thread is in here.
final class Lane {
    /// Rows of one batch: 32 register tiles; more would only make steps wait longer beside a prefill.
    static let rows = 192

    private let served: ServedModel
    private let sessions: SessionTable
    private let workspace: Workspace
    private var waiting = Deque<Operation>()
    private var active: [Operation] = []
    /// Streams that are not read and have given their slots to works that waited.
    private var parked: [Operation] = []
    private var freeSlots: [Int]
    /// Told of every operation that has ended.
    private let ended: (Operation) -> Void

    init(_ served: ServedModel, _ sessions: SessionTable, ended: @escaping (Operation) -> Void) {
        (self.served, self.sessions, self.ended) = (served, sessions, ended)
        workspace = Workspace(served.model, rows: Self.rows, sequences: Self.rows)
        freeSlots = Array((0..<Self.rows).reversed())
    }

    func add(_ operation: Operation) { waiting.append(operation) }

    /// Whether a tick would do anything.
    var isRunnable: Bool {
        let hasSlot = !freeSlots.isEmpty || active.contains(where: \.isPaused)
        return hasSlot && (!waiting.isEmpty || parked.contains { !$0.isPaused })
            || active.contains { $0.ready > 0 || $0.isCancelled } || parked.contains(where: \.isCancelled)
    }

    /// Admits what waits, absorbs one batch and ends what is done.
    func tick() {
        for operation in active + parked { dropIfPointless(operation) }
        active.removeAll { $0.slot < 0 }
        var paused: [Operation] = []
        for operation in parked where operation.parkedState != nil {
            if operation.isPaused { paused.append(operation) } else { waiting.append(operation) }
        }
        parked = paused
        while !waiting.isEmpty, makeSlot() { start(waiting.removeFirst()) }
        computeStateOutputs()

        // One row for everybody first, then the rest to prefills in order of arrival.
        let taking = active.filter { $0.ready > 0 }
        var counts = taking.map { _ in 1 }
        var left = Self.rows - taking.count
        for (index, operation) in taking.enumerated() where left > 0 && operation.remaining > 1 {
            let more = min(left, operation.remaining - 1)
            counts[index] += more
            left -= more
        }
        workspace.clear()
        for (operation, count) in zip(taking, counts) { append(operation, count) }
        served.model.advance(workspace)
        takeOutputs(taking, counts)
        for (operation, count) in zip(taking, counts) { conclude(operation, count) }
        active.removeAll { $0.slot < 0 }
    }

    /// Ends all works with `error`.
    func abandon(_ error: InferenceError) {
        for operation in active + parked { end(operation, .failure(error)) }
        active.removeAll()
        parked.removeAll()
        while let operation = waiting.popFirst() { end(operation, .failure(error)) }
    }

    /// Ends a work that nobody waits for, or whose session has ended, before more is computed.
    private func dropIfPointless(_ operation: Operation) {
        if operation.isCancelled { return end(operation, .failure(.cancelled)) }
        guard let session = operation.session else { return }
        do throws(SessionError) {
            try sessions.check(session.id, serial: session.serial)
        } catch {
            end(operation, .failure(.session(error)))
        }
    }

    /// Whether there is a free slot: perhaps that of a stream that is not read, whose state is put aside.
    private func makeSlot() -> Bool {
        if !freeSlots.isEmpty { return true }
        guard let index = active.firstIndex(where: \.isPaused) else { return false }
        let operation = active.remove(at: index)
        operation.parkedState = workspace.states.values(operation.slot)
        freeSlots.append(operation.slot)
        operation.slot = -1
        parked.append(operation)
        return true
    }

    private func start(_ operation: Operation) {
        guard !operation.isCancelled else { return end(operation, .failure(.cancelled)) }
        if let state = operation.parkedState {
            operation.slot = freeSlots.popLast()!
            workspace.states.set(operation.slot, to: state)
            operation.parkedState = nil
            active.append(operation)
            return
        }
        operation.started = ContinuousClock.now
        operation.slot = freeSlots.popLast()!
        do throws(SessionError) {
            switch operation.work.target {
            case .detached: workspace.reset(operation.slot)
            case .create(let id):
                if let id, (try? sessions.record(id)) != nil { throw .exists(id: id) }
                workspace.reset(operation.slot)
            case .session(let id):
                let record = try sessions.load(
                    id, serial: operation.work.serial, into: workspace.states, row: operation.slot, model: served.id)
                operation.session = record
                operation.step = record.step
            }
        } catch {
            return end(operation, .failure(.session(error)))
        }
        if let expected = operation.work.expectedStep, expected != operation.step {
            return end(operation, .failure(.stepMismatch(expected: expected, step: operation.step)))
        }
        if let generation = operation.work.generation {
            if operation.step == 0 && operation.work.input.count == 0 {
                return end(operation, .failure(.nothingAbsorbed))
            }
            operation.generator = Generator(generation, served.tokenizer)
        }
        if operation.work.generation == nil && operation.work.input.count == 0 {
            if commit(operation) { end(operation, .success(operation.completion())) }
            return
        }
        let goesOn = operation.work.generation != nil && operation.work.input.count == 0
        operation.needsStateOutput = goesOn || operation.work.score && operation.step > 0
        active.append(operation)
    }

    private func computeStateOutputs() {
        let wanting = active.filter(\.needsStateOutput)
        guard !wanting.isEmpty else { return }
        served.model.outputs(workspace, ofStates: wanting.map(\.slot))
        for (row, operation) in wanting.enumerated() {
            operation.needsStateOutput = false
            guard workspace.outputs.isFinite(row) else {
                end(operation, .failure(.nonFinite(step: operation.step)))
                continue
            }
            if operation.work.score, case .tokens(let tokens) = operation.work.input {
                score(operation, tokens[0], row)
            }
            if operation.remaining == 0 {
                operation.nextToken = operation.generator?.draw(workspace.outputs.values(row), step: operation.step)
            }
        }
        active.removeAll { $0.slot < 0 }
    }

    private func append(_ operation: Operation, _ count: Int) {
        guard operation.remaining > 0 else { return workspace.append(token: operation.nextToken!, to: operation.slot) }
        for index in operation.consumed..<operation.consumed + count {
            switch operation.work.input {
            case .tokens(let tokens): workspace.append(token: tokens[index], to: operation.slot)
            case .vectors(let values, _):
                let size = served.model.configuration.inputSize
                workspace.append(vector: values, index * size..<(index + 1) * size, to: operation.slot)
            }
        }
    }

    /// Computes the outputs that anybody wants of this batch and hands them out.
    private func takeOutputs(_ operations: [Operation], _ counts: [Int]) {
        var wanted: [(operation: Operation, row: Int, input: Int)] = []
        var first = 0
        for (operation, count) in zip(operations, counts) {
            let work = operation.work
            for offset in 0..<count {
                // Each row for itself: a later row would hide it, or not, depending on where the batch was cut.
                if operation.failure == nil, !workspace.isFinite(row: first + offset) {
                    operation.failure = .nonFinite(step: operation.step + offset)
                }
                // The input that this row absorbed; past the last one for a generated token.
                let input = operation.consumed + offset
                let isLast = input >= work.input.count - 1
                if work.outputs == .all || work.score && !isLast
                    || isLast && (work.outputs == .last || work.generation != nil)
                {
                    wanted.append((operation, first + offset, input))
                }
            }
            first += count
        }
        served.model.outputs(workspace, rows: wanted.map(\.row))
        for (row, want) in wanted.enumerated() {
            let (operation, work) = (want.operation, want.operation.work)
            guard workspace.outputs.isFinite(row) else {
                let step = operation.step + want.input - operation.consumed
                if case .nonFinite(let earlier)? = operation.failure, earlier <= step { continue }
                operation.failure = .nonFinite(step: step)
                continue
            }
            guard operation.failure == nil else { continue }
            let isLast = want.input >= work.input.count - 1
            if work.score, !isLast, case .tokens(let tokens) = work.input {
                score(operation, tokens[want.input + 1], row)
            }
            if work.generation != nil {
                if isLast { operation.logits = workspace.outputs.values(row) }
            } else if work.outputs == .all || work.outputs == .last && isLast {
                workspace.outputs.append(row, 0..<workspace.outputs.columns, to: &operation.outputs)
            }
        }
    }

    private func score(_ operation: Operation, _ token: Int, _ row: Int) {
        operation.score.logprob += Double(workspace.outputs[row, token] - workspace.outputs.logSumExp(row))
        operation.score.steps += 1
    }

    /// Moves an operation on by the `count` rows that its state has absorbed, and ends it when it is done.
    private func conclude(_ operation: Operation, _ count: Int) {
        if operation.failure == nil, !workspace.states.isFinite(operation.slot) {
            operation.failure = .nonFinite(step: operation.step)
        }
        if let failure = operation.failure { return end(operation, .failure(failure)) }
        operation.step += count
        if operation.remaining > 0 {
            operation.consumed += count
            guard operation.remaining == 0 else { return }
            if operation.stream != nil, !commit(operation) { return }
        } else if let token = operation.nextToken {
            // A stream reports a step only when the session stands at it.
            if operation.stream != nil, !commit(operation) { return }
            let event = operation.generator!.accept(token, step: operation.step)
            operation.stream?.send(event)
        }
        if operation.generator != nil, operation.generator!.finish == nil {
            operation.nextToken = operation.generator!.draw(operation.logits, step: operation.step)
            return
        }
        if operation.stream != nil || commit(operation) { end(operation, .success(operation.completion())) }
    }

    /// Writes the state to its session. False when that failed, and the operation has ended.
    private func commit(_ operation: Operation) -> Bool {
        do throws(SessionError) {
            switch operation.work.target {
            case .detached: break
            case .session(let id):
                operation.session = try sessions.save(
                    id, serial: operation.session!.serial, from: workspace.states, row: operation.slot,
                    step: operation.step)
            case .create where operation.session != nil:
                let session = operation.session!
                operation.session = try sessions.save(
                    session.id, serial: session.serial, from: workspace.states, row: operation.slot,
                    step: operation.step)
            case .create(let id):
                operation.session = try sessions.create(
                    id: id, model: served.id, from: workspace.states, row: operation.slot, step: operation.step)
            }
            return true
        } catch {
            end(operation, .failure(.session(error)))
            return false
        }
    }

    private func end(_ operation: Operation, _ result: Result<Completion, InferenceError>) {
        if operation.slot >= 0 { freeSlots.append(operation.slot) }
        operation.slot = -1
        operation.parkedState = nil
        // First, so that whoever learns of the end finds the place in the queue free.
        ended(operation)
        operation.finish(result)
    }
}
