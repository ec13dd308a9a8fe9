import Kernels
import Recurrent
import Sessions
import Synchronization
import TestSupport

@testable import Inference

/// An engine without a thread, on a clock that moves by what each row is said to cost.
final class EngineHarness {
    private final class Time: Sendable { let now = Atomic<Int64>(1_000_000_000_000) }

    let models: [ServedModel]
    let sessions: SessionTable
    let engine: Engine
    /// The batches so far.
    private(set) var batches: [BatchSummary] = []
    private(set) var ended: [Operation] = []
    private let time = Time()
    private let queueTime: Duration

    /// - Parameter nanoseconds: what a batch of so many rows takes.
    init(
        _ models: [ServedModel], limits: Scheduler.Limits = .init(),
        nanoseconds: @escaping (BatchSummary) -> Int64 = { _ in 0 }
    ) {
        self.models = models
        queueTime = limits.queueTime
        sessions = SessionTable(budget: 64 << 20) { [time] in Double(time.now.load(ordering: .relaxed)) / 1e9 }
        engine = Engine(models, sessions: sessions, limits: limits) { [time] in time.now.load(ordering: .relaxed) }
        engine.willCompute = { [unowned self] batch in
            batches.append(batch)
            sleep(nanoseconds(batch))
        }
    }

    var now: Int64 { time.now.load(ordering: .relaxed) }

    /// Lets time go by.
    func sleep(_ nanoseconds: Int64) { time.now.add(nanoseconds, ordering: .relaxed) }

    @discardableResult
    func submit(_ work: Work) -> Operation {
        let operation = Operation(work, submitted: now)
        let delay = engine.backlog.delay(ofRows: work.rows, work.model, at: now)
        if delay > queueTime {
            operation.result = .failure(.overloaded(delay: delay, limit: queueTime))
            return operation
        }
        engine.admit(operation)
        return operation
    }

    /// A work that absorbs `count` tokens, all of them whatever others absorb.
    func work(_ target: Work.Target, _ count: Int, model: Int = 0, deadline: Int64? = nil) -> Work {
        var work = Work(model: models[model].id, target: target, input: .tokens([Int](repeating: 1, count: count)))
        (work.deadline, work.usesCache) = (deadline, false)
        return work
    }

    /// Submits a work that absorbs `count` tokens.
    @discardableResult
    func absorb(
        _ count: Int, _ target: Work.Target = .detached, model: Int = 0, deadline: Int64? = nil
    ) -> Operation { submit(work(target, count, model: model, deadline: deadline)) }

    /// Makes one batch, if there is anything to do.
    func tick() {
        engine.tick()
        var finished: [Operation] = []
        engine.takeFinished(into: &finished)
        ended += finished
    }

    /// Makes batches until there is nothing to do.
    func finish() { while engine.isRunnable { tick() } }

    func state(_ id: String) throws -> [UInt32] {
        let matrix = Matrix(rows: 1, columns: models[0].model.state.count)
        _ = try sessions.load(id, into: matrix, row: 0, model: models[0].id)
        return matrix.values(0).map(\.bitPattern)
    }

    func step(of id: String) throws -> Int { try sessions.record(id).step }
}

extension Operation {
    /// Why it failed; nil where it has not, or has not ended.
    var error: InferenceError? { result?.error }
}
