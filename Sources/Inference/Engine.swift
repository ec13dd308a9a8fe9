import Recurrent
import Sessions
import Threading

/// What the scheduler's thread does: it keeps operations on one session in order, shares the time among the models and
/// has each make its batches.
///
/// Operations on one session run one at a time in order of arrival (`SessionOrder`); all others share batches. Time is
/// shared by `FairShare`. While anybody steps, and for `quietTime` after, a batch has rows of prefills for `maxTick` only.
final class Engine {
    /// Nanoseconds after a step for which its client is taken to be still there, about to step again.
    static let quietTime: Int64 = 1_000_000_000
    /// A batch of prefills that delay nobody may take this many times `maxTick`.
    static let calmTicks: Int64 = 10

    private let limits: Scheduler.Limits
    /// What batches are computed in, one at a time.
    private let activations: Activations
    private let sessions: SessionTable
    private let maxTick: Int64
    private let clock: @Sendable () -> Int64
    private var share = FairShare<Lane>()
    private var lanes: [String: Lane] = [:]
    /// Whether a model that is served no more has nothing more to do.
    private var hasRetired = false
    private var order: SessionOrder
    private var restorer: Restorer!
    private var restClock = RestClock()
    private var finished: [Operation] = []
    /// When the latest batch with steps ended; nil before the first.
    private var lastStep: Int64?
    /// No deadline is earlier.
    private(set) var earliestDeadline = Int64.max
    /// When there is something to do though nothing arrives.
    var wakeTime: Int64 { min(earliestDeadline, restClock.earliest) }
    /// Bytes that all models compute in take at most.
    var workspaceBytes: Int { activations.heldBytes }
    /// Called with each batch before it is computed.
    var willCompute: (BatchSummary) -> Void = { _ in }

    /// - Parameter answer: called by the store's thread when an operation need not wait for it any more: for `takeBack`.
    init(
        _ models: [ServedModel], sessions: SessionTable, limits: Scheduler.Limits,
        clock: @escaping @Sendable () -> Int64,
        answer: @escaping @Sendable (Operation, Restorer.Outcome) -> Void = { _, _ in }
    ) {
        (self.limits, self.sessions, self.clock) = (limits, sessions, clock)
        order = SessionOrder(limit: limits.worksPerSession)
        maxTick = Int64(limits.maxTick / .nanoseconds(1))
        activations = Activations(team: Team(threads: limits.threads))
        let exits = Restorer.Exits(
            run: { [unowned self] in run($0) },
            end: { [unowned self] in lanes[$0.work.model]!.end($0, .failure($1)) })
        restorer = Restorer(sessions, clock: clock, exits: exits, answer: answer)
        serve(models)
    }

    // MARK: Models

    /// Has requests for these models done from now on and for no others, but for those that are under way or waiting.
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
            share.add(lane)
        }
        for lane in lanes.values where !models.contains(where: { $0.id == lane.served.id }) { lane.isRetired = true }
        for lane in lanes.values { dropIfDone(lane) }
    }

    private func dropIfDone(_ lane: Lane) {
        guard lane.isRetired, lane.operations == 0 else { return }
        lanes[lane.served.id] = nil
        restClock.remove(lane.served.id)
        share.remove(lane)
    }

    // MARK: Operations

    /// Takes an operation in.
    func admit(_ operation: Operation) {
        guard let lane = lanes[operation.work.model], !lane.isRetired else {
            operation.result = .failure(operation.notServed)
            finished.append(operation)
            return
        }
        lane.operations += 1
        note(operation.work.deadline)
        guard let id = operation.sessionID else { return lane.add(operation) }
        // From here on: time that it waits is not time that the session is idle.
        operation.heldSerial = sessions.hold(id, serial: operation.work.serial)
        switch order.arrive(operation, at: id) {
        case .runs: lane.add(operation)
        case .waits: break
        case .isRefused: finish(operation, .sessionQueueFull(limit: order.limit))
        }
    }

    private func note(_ deadline: Int64?) { if let deadline { earliestDeadline = min(earliestDeadline, deadline) } }

    /// Ends operations that nobody waits for, or whose time is over, wherever they wait.
    func sweep() { sweep(at: clock()) }

    private func sweep(at now: Int64) {
        var earliest = Int64.max
        func reason(_ operation: Operation) -> InferenceError? {
            if let reason = operation.dropReason(at: now) { return reason }
            earliest = min(earliest, operation.work.deadline ?? .max)
            return nil
        }
        for (operation, error) in order.removeAll(reason) { finish(operation, error) }
        restorer.endAll(reason)
        // Behind the queues: what ends here lets the next of its queue, which has been looked at, into a lane.
        for lane in share.members { earliest = min(earliest, lane.sweep(at: now)) }
        earliestDeadline = earliest
    }

    /// Ends all operations with `error`.
    func abandon(_ error: InferenceError) {
        for (operation, error) in order.removeAll({ _ in error }) { finish(operation, error) }
        restorer.endAll { _ in error }
        for lane in share.members { lane.abandon(error) }
    }

    /// The operations that have ended since the last call, in order, into the empty `list`.
    func takeFinished(into list: inout [Operation]) { swap(&finished, &list) }

    private func finish(_ operation: Operation, _ error: InferenceError) {
        operation.result = .failure(error)
        finish(operation)
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
        guard let id = operation.sessionID, let next = order.leave(id) else { return }
        lanes[next.work.model]!.add(next)
    }

    // MARK: The store

    private func wait(_ operation: Operation, _ error: SessionError) {
        note(operation.work.deadline)
        restorer.wait(operation, for: error)
    }

    /// Goes on with an operation that has waited for the store.
    func takeBack(_ operation: Operation, _ outcome: Restorer.Outcome) {
        restorer.takeBack(operation, outcome, lanes[operation.work.model]!.served)
    }

    /// Runs an operation in its lane. Where its session's inputs were absorbed again it was in no queue, and no sweep has
    /// seen its deadline.
    private func run(_ operation: Operation) {
        note(operation.work.deadline)
        lanes[operation.work.model]!.add(operation)
    }

    // MARK: Batches

    /// What is to be done, of all models.
    var backlog: Backlog { Backlog(shares: share.members.map(\.share), time: clock()) }

    /// Whether a tick would do anything now.
    var isRunnable: Bool { share.isRunnable }

    /// Makes one batch of one model.
    func tick() {
        let now = clock()
        if now >= earliestDeadline { sweep(at: now) }
        if now >= restClock.earliest { rest(at: now) }
        if hasRetired {
            hasRetired = false
            for lane in lanes.values { dropIfDone(lane) }
        }
        guard let lane = share.next() else { return }
        let isCalm = lastStep.map { now - $0 > Self.quietTime } ?? true
        let (steps, end) = lane.tick(at: now, prefillTime: isCalm ? maxTick * Self.calmTicks : maxTick)
        share.charge(end - now)
        restClock.note(lane.served.id, at: end)
        if steps > 0 { lastStep = end }
    }

    /// Gives back the memory of models that have had nothing to do for long enough.
    private func rest(at now: Int64) {
        for model in restClock.resting(at: now, isBusy: { lanes[$0]!.operations > 0 }) { lanes[model]!.rest() }
        if restClock.earliest == .max { activations.giveBack() }
    }
}
