import DequeModule
import Recurrent
import Sessions
import Threading

/// What the scheduler's thread does: it keeps works on one session in order, shares the time among the models and lets
/// each make its batches.
///
/// Works on one session run one at a time in order of arrival; all others share batches. Time goes to the model that
/// has had the least of it, batch by batch; a model that had nothing to do has saved nothing up. Between two such
/// batches every other model with steps has a turn, so that a step waits for one long batch at most. While anybody
/// steps, and for `quietTime` after, a batch has rows of prefills for `maxTick` only.
final class Engine {
    /// How long after a step its client is taken to be still there, about to step again.
    static let quietTime: Int64 = 1_000_000_000
    /// How long a model must have had nothing to do before the memory it computed in is given back. What is taken anew
    /// after that costs microseconds; sessions that step more often than this never pay them.
    static let restTime: Int64 = 1_000_000_000
    /// A batch of prefills that delay nobody may take this many times `maxTick`.
    static let calmTicks: Int64 = 10

    private final class Turn {
        let lane: Lane
        /// Nanoseconds of computing that the model has had.
        var time: Int64 = 0
        /// When it last had a turn, in turns.
        var last = 0
        /// Whether it had something to do when turns were last given.
        var isContending = false
        /// Whether it had a turn for its steps since time was last given by who has had least.
        var hasStepped = false
        /// When its last batch ended, if it has had one since it rested.
        var lastTick: Int64?

        init(_ lane: Lane) { self.lane = lane }
    }

    /// What the store has for an operation that has waited for it.
    typealias Return = Result<Grant, SessionError>

    private let limits: Scheduler.Limits
    /// What batches are computed in, one at a time.
    private let activations: Activations
    private let sessions: SessionTable
    private let maxTick: Int64
    private let clock: @Sendable () -> Int64
    /// Called by the store's thread when an operation need not wait for it any more: for `takeBack`.
    private let comeBack: @Sendable (Operation, Return) -> Void
    private var turns: [Turn] = []
    private var lanes: [String: Lane] = [:]
    /// Whether a model that is served no more has nothing more to do.
    private var hasRetired = false
    /// Sessions with a work under way, and the works that wait for it.
    private var queues: [String: Deque<Operation>] = [:]
    /// Operations that wait for the store.
    private var awaiting: [ObjectIdentifier: Operation] = [:]
    private var finished: [Operation] = []
    private var turn = 0
    private var lastStep = Int64.min
    /// No deadline is earlier.
    private(set) var earliestDeadline = Int64.max
    /// No model that has computed may give its memory back earlier.
    private var earliestRest = Int64.max
    /// When there is something to do though nothing arrives.
    var wakeTime: Int64 { min(earliestDeadline, earliestRest) }
    /// Bytes that all models compute in take at most.
    var workspaceBytes: Int { activations.heldBytes }
    /// Told of each batch before it is computed.
    var willCompute: (BatchSummary) -> Void = { _ in }

    init(
        _ models: [ServedModel], sessions: SessionTable, limits: Scheduler.Limits,
        clock: @escaping @Sendable () -> Int64,
        comeBack: @escaping @Sendable (Operation, Return) -> Void = { _, _ in }
    ) {
        (self.limits, self.sessions, self.clock, self.comeBack) = (limits, sessions, clock, comeBack)
        maxTick = Int64(limits.maxTick / .nanoseconds(1))
        activations = Activations(team: Team(threads: limits.threads))
        serve(models)
    }

    /// Has works on these models done and on no others, but for those that are under way or waiting.
    func serve(_ models: [ServedModel]) {
        for served in models {
            if let lane = lanes[served.id] {
                lane.isRetired = false
                continue
            }
            let lane = Lane(
                served, sessions, slots: limits.batchRows.map(LaneSlots.init(rows:)), activations: activations,
                clock: clock,
                willCompute: { [unowned self] in willCompute($0) }, wait: { [unowned self] in wait($0, $1) },
                ended: { [unowned self] in ended($0) })
            lanes[served.id] = lane
            turns.append(Turn(lane))
        }
        for lane in lanes.values where !models.contains(where: { $0.id == lane.served.id }) { lane.isRetired = true }
        for lane in lanes.values { dropIfDone(lane) }
    }

    private func dropIfDone(_ lane: Lane) {
        guard lane.isRetired, lane.operations == 0 else { return }
        lanes[lane.served.id] = nil
        turns.removeAll { $0.lane === lane }
    }

    /// Takes a work in.
    func admit(_ operation: Operation) {
        guard let lane = lanes[operation.work.model], !lane.isRetired else {
            operation.result = .failure(operation.notServed)
            finished.append(operation)
            return
        }
        lane.operations += 1
        if let deadline = operation.work.deadline { earliestDeadline = min(earliestDeadline, deadline) }
        if let id = operation.sessionID {
            // From here on: time that it waits is not time that the session is idle.
            operation.heldSerial = sessions.hold(id, serial: operation.work.serial)
            if let waiting = queues[id]?.count {
                guard waiting < limits.worksPerSession else {
                    operation.result = .failure(.sessionQueueFull(limit: limits.worksPerSession))
                    finish(operation)
                    return
                }
                queues[id]!.append(operation)
                return
            }
            queues[id] = Deque()
        }
        lane.add(operation)
    }

    /// What is to be done, of all models.
    var backlog: Backlog { Backlog(shares: turns.map(\.lane.share), time: clock()) }

    /// Whether a tick would do anything now.
    var isRunnable: Bool { turns.contains { $0.lane.isRunnable } }

    /// Makes one batch of one model.
    func tick() {
        let now = clock()
        if now >= earliestDeadline { sweep(at: now) }
        if now >= earliestRest { rest(at: now) }
        if hasRetired {
            hasRetired = false
            for lane in lanes.values { dropIfDone(lane) }
        }
        guard let turn = nextTurn() else { return }
        let isCalm = lastStep == .min || now - lastStep > Self.quietTime
        let (steps, end) = turn.lane.tick(at: now, prefillTime: isCalm ? maxTick * Self.calmTicks : maxTick)
        turn.time += end - now
        turn.lastTick = end
        if earliestRest == .max { earliestRest = end + Self.restTime }
        if steps > 0 { lastStep = end }
    }

    /// Gives back the memory of models that have had nothing to do for long enough.
    private func rest(at now: Int64) {
        earliestRest = .max
        for turn in turns {
            guard let lastTick = turn.lastTick else { continue }
            let end = (turn.lane.operations > 0 ? now : lastTick) + Self.restTime
            if now < end {
                earliestRest = min(earliestRest, end)
            } else {
                turn.lane.rest()
                turn.lastTick = nil
            }
        }
        if earliestRest == .max { activations.giveBack() }
    }

    /// Ends works that nobody waits for, or whose time is over, wherever they wait.
    func sweep() { sweep(at: clock()) }

    private func sweep(at now: Int64) {
        var earliest = Int64.max
        for index in queues.indices where !queues.values[index].isEmpty {
            queues.values[index].removeAll { operation in
                if let reason = operation.dropReason(at: now) {
                    operation.result = .failure(reason)
                    finish(operation)
                    return true
                }
                earliest = min(earliest, operation.work.deadline ?? .max)
                return false
            }
        }
        for operation in awaiting.values {
            if let reason = operation.dropReason(at: now) {
                stopAwaiting(operation, reason)
            } else {
                earliest = min(earliest, operation.work.deadline ?? .max)
            }
        }
        // Behind the queues: what ends here lets the next of its queue, which has been looked at, into a lane.
        for turn in turns { earliest = min(earliest, turn.lane.sweep(at: now)) }
        earliestDeadline = earliest
    }

    /// Ends all works with `error`.
    func abandon(_ error: InferenceError) {
        for index in queues.indices {
            for operation in queues.values[index] {
                operation.result = .failure(error)
                finish(operation)
            }
            queues.values[index].removeAll()
        }
        for operation in awaiting.values { stopAwaiting(operation, error) }
        for turn in turns { turn.lane.abandon(error) }
    }

    /// Ends an operation that waits for the store, whose answer will be dropped.
    private func stopAwaiting(_ operation: Operation, _ error: InferenceError) {
        awaiting[ObjectIdentifier(operation)] = nil
        lanes[operation.work.model]!.end(operation, .failure(error))
    }

    /// The works that have ended since the last call, in order, into the empty `list`.
    func takeFinished(into list: inout [Operation]) { swap(&finished, &list) }

    // MARK: The store

    private func wait(_ operation: Operation, _ error: SessionError) {
        awaiting[ObjectIdentifier(operation)] = operation
        if let deadline = operation.work.deadline { earliestDeadline = min(earliestDeadline, deadline) }
        // Who waits holds nothing that others could wait for, and asks for all of it again.
        sessions.giveBack(operation.reservation)
        operation.fetched = Fetched()
        operation.needs.add(error, hasSession: operation.session != nil)
        let serial = operation.session?.serial ?? operation.work.serial ?? operation.heldSerial
        sessions.ask(for: operation.needs, operation.session?.id ?? operation.sessionID, serial: serial) { [comeBack] in
            comeBack(operation, $0)
        }
    }

    /// Goes on with an operation that has waited for the store.
    func takeBack(_ operation: Operation, _ outcome: Return) {
        guard awaiting.removeValue(forKey: ObjectIdentifier(operation)) != nil else {
            // It has ended while it waited.
            if case .success(let grant) = outcome { _ = operation.fetched.take(grant, operation.reservation) }
            return sessions.giveBack(operation.reservation)
        }
        let lane = lanes[operation.work.model]!
        switch outcome {
        case .success(let grant):
            if let restoration = operation.fetched.take(grant, operation.reservation) {
                replay(operation, restoration)
            } else {
                goOn(operation)
            }
        case .failure(.gone(_, .damaged, lastStep: _)) where operation.work.needsNoState: goOn(operation)
        case .failure(let error): lane.end(operation, .failure(.session(error)))
        }
    }

    /// Lets an operation that has waited for the store into its lane again.
    private func goOn(_ operation: Operation) {
        // Where its inputs were absorbed again it was in no line, and no sweep has seen it.
        if let deadline = operation.work.deadline { earliestDeadline = min(earliestDeadline, deadline) }
        lanes[operation.work.model]!.add(operation)
    }

    /// Has the inputs absorbed that lead from a stored state to where its session stands, and then goes on.
    private func replay(_ operation: Operation, _ restoration: Restoration) {
        let lane = lanes[operation.work.model]!
        guard let next = restoration.inputs.first else {
            operation.fetched.restoration = restoration
            return goOn(operation)
        }
        guard next.input.fits(lane.served.model.configuration) else {
            let what = "the journal has an input of session \"\(restoration.record.id)\" that its model cannot absorb"
            return lane.end(operation, .failure(.session(.store(.damaged(what: what)))))
        }
        var work = Work(model: operation.work.model, target: .detached, input: next.input)
        (work.outputs, work.scan, work.wantsState) = (.none, next.scan, true)
        work.supplied = Work.SuppliedState(values: restoration.values, step: restoration.step)
        let part = Operation(work, submitted: clock())
        part.follow = { [unowned self] result in
            switch result {
            case .success(let completion): replay(operation, restoration.after(completion.state!, completion.step))
            case .failure(let error): lane.end(operation, .failure(error))
            }
        }
        lane.add(part)
    }

    private func finish(_ operation: Operation) {
        if let follow = operation.follow { return follow(operation.result!) }
        sessions.giveBack(operation.reservation)
        if let serial = operation.heldSerial { sessions.release(operation.sessionID!, serial: serial) }
        finished.append(operation)
        let lane = lanes[operation.work.model]!
        lane.operations -= 1
        // Not while turns are gone through.
        if lane.isRetired, lane.operations == 0 { hasRetired = true }
    }

    private func ended(_ operation: Operation) {
        finish(operation)
        guard let id = operation.sessionID else { return }
        // Most queues are empty: taking nothing out of one would allocate.
        if queues[id]!.isEmpty {
            queues[id] = nil
        } else {
            let next = queues[id]!.removeFirst()
            lanes[next.work.model]!.add(next)
        }
    }

    private func nextTurn() -> Turn? {
        var least = Int64.max
        for turn in turns where turn.isContending && turn.lane.isRunnable { least = min(least, turn.time) }
        var (neediest, stepping): (Turn?, Turn?)
        for turn in turns {
            guard turn.lane.isRunnable else {
                turn.isContending = false
                continue
            }
            if !turn.isContending, least < .max { turn.time = max(turn.time, least) }
            turn.isContending = true
            if neediest.map({ (turn.time, turn.last) < ($0.time, $0.last) }) ?? true { neediest = turn }
            guard !turn.hasStepped, turn.last != self.turn, turn.lane.hasSteps else { continue }
            if stepping.map({ turn.last < $0.last }) ?? true { stepping = turn }
        }
        if stepping == nil { for turn in turns { turn.hasStepped = false } }
        stepping?.hasStepped = true
        let chosen = stepping ?? neediest
        turn += 1
        chosen?.last = turn
        return chosen
    }
}
