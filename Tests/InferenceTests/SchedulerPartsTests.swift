import Recurrent
import Testing

@testable import Inference

@Suite("Parts of the scheduler, each alone")
struct SchedulerPartsTests {
    private func operation(_ tokens: Int = 1, _ model: String = "m", deadline: Int64? = nil) -> Inference.Operation {
        var work = Work(model: model, target: .session("s"), input: .tokens([Int](repeating: 1, count: tokens)))
        work.deadline = deadline
        return Operation(work, submitted: 0)
    }

    @Test("operations on one session run one at a time, in order, and only so many wait") func order() {
        var order = SessionOrder(limit: 2)
        let operations = (0..<4).map { _ in operation() }
        #expect(operations.map { order.arrive($0, at: "s") } == [.runs, .waits, .waits, .isRefused])
        #expect(order.arrive(operation(), at: "other") == .runs)
        #expect(order.leave("s") === operations[1])
        #expect(order.arrive(operations[3], at: "s") == .waits)
        #expect(order.leave("s") === operations[2] && order.leave("s") === operations[3])
        #expect(order.leave("s") == nil)
        #expect(order.arrive(operations[0], at: "s") == .runs)
    }

    @Test("operations can be taken out of every queue, and the others keep their order") func removal() {
        var order = SessionOrder(limit: 9)
        let late = (0..<2).map { _ in operation(deadline: 1) }
        let others = (0..<2).map { _ in operation() }
        _ = order.arrive(operation(), at: "s")
        for (late, other) in zip(late, others) {
            _ = order.arrive(late, at: "s")
            _ = order.arrive(other, at: "s")
        }
        let removed = order.removeAll { $0.dropReason(at: 1) }
        #expect(removed.map(\.error) == [.deadlinePassed, .deadlinePassed])
        #expect(zip(removed, late).allSatisfy { $0.operation === $1 })
        #expect(order.leave("s") === others[0] && order.leave("s") === others[1] && order.leave("s") == nil)
    }

    @Test("single steps find a slot where operations of several ticks have all of theirs") func slots() {
        var pool = SlotPool(LaneSlots(rows: 128))
        let long = (0..<pool.limits.long).map { _ in pool.takeLong() }
        #expect(long == Array(0..<pool.limits.long))
        #expect(pool.takeLong() == nil && !pool.hasLong)
        let steps = (pool.limits.long..<pool.limits.count).map { _ in pool.take() }
        #expect(steps.allSatisfy { $0 != nil } && pool.take() == nil)
        pool.giveBack(3, isLong: true)
        #expect(pool.hasLong && pool.takeLong() == 3)
        for slot in 0..<pool.limits.count { pool.giveBack(slot, isLong: slot < pool.limits.long) }
        pool.reset()
        #expect(pool.take() == 0 && pool.takeLong() == 1)
    }

    @Test("operations that arrive together are taken in as a whole or refused as a whole") func admission() {
        var limits = Scheduler.Limits()
        (limits.works, limits.inputBytes) = (3, 1000)
        var admission = Admission(limits)
        let two = [operation(), operation()]
        #expect(admission.admit(two) == nil && admission.works == 2)
        #expect(admission.admit(two) == .queueFull(limit: 3) && admission.works == 2)
        #expect(admission.admit([operation(1000)]) == .queueBytesFull(limit: 1000))
        admission.release(two)
        #expect(admission.works == 0 && admission.inputBytes == 0)
        // One that is alone may be larger.
        #expect(admission.admit([operation(1000)]) == nil && !admission.boundsDelay)
    }

    @Test("an operation is refused that others would delay for too long, and again admitted when they are done")
    func delay() {
        var limits = Scheduler.Limits()
        limits.queueTime = .nanoseconds(500)
        var admission = Admission(limits)
        let share = Backlog.Share(model: "m", perRow: 10, perBatch: 0)
        admission.note(Backlog(shares: [share], time: 0), andThen: [])
        #expect(admission.admit([operation(40)]) == nil)
        #expect(admission.admit([operation(40)]) == nil)
        guard case .overloaded(let delay, _)? = admission.admit([operation(40)]) else {
            Issue.record("it was admitted")
            return
        }
        #expect(delay == .nanoseconds(800))
        admission.note(Backlog(shares: [share], time: 0), andThen: [operation(40)])
        #expect(admission.admit([operation(40)]) == nil)
    }

    @Test("a model rests when it has had nothing to do for long enough") func rests() {
        var clock = RestClock()
        #expect(clock.earliest == .max)
        clock.note("a", at: 10)
        clock.note("b", at: 500)
        #expect(clock.earliest == 10 + RestClock.restTime)
        #expect(clock.resting(at: 10 + RestClock.restTime) { _ in false } == ["a"])
        #expect(clock.earliest == 500 + RestClock.restTime)
        #expect(clock.resting(at: 500 + RestClock.restTime) { $0 == "b" } == [])
        #expect(clock.earliest == 500 + 2 * RestClock.restTime)
        clock.remove("b")
        #expect(clock.resting(at: .max) { _ in false } == [] && clock.earliest == .max)
    }
}
