import Testing

@testable import EventLoop

struct TimerHeapTests {
    @Test("Timers fire in the order of their deadlines, and cancelled ones not at all")
    func order() {
        var heap = TimerHeap()
        var random = UInt32(1)
        var timers: [Timer] = []
        for _ in 0..<500 {
            random = random &* 1_664_525 &+ 1_013_904_223
            let timer = Timer(deadline: MonotonicInstant(nanoseconds: Int64(random >> 20))) {}
            timers.append(timer)
            heap.insert(timer)
        }
        for index in stride(from: 0, to: 500, by: 3) { heap.remove(timers[index]) }
        heap.remove(timers[0])
        let kept = timers.indices.filter { $0 % 3 != 0 }.map { timers[$0].deadline }.sorted()
        var fired: [MonotonicInstant] = []
        while let timer = heap.popDue(.never) {
            #expect(!timer.isPending)
            fired.append(timer.deadline)
        }
        #expect(fired == kept)
        #expect(heap.count == 0)
    }

    @Test("A timer is not due before its deadline")
    func due() {
        var heap = TimerHeap()
        heap.insert(Timer(deadline: MonotonicInstant(nanoseconds: 10)) {})
        #expect(heap.popDue(MonotonicInstant(nanoseconds: 9)) == nil)
        #expect(heap.earliest == MonotonicInstant(nanoseconds: 10))
        #expect(heap.popDue(MonotonicInstant(nanoseconds: 10)) != nil)
    }

    @Test("Instants saturate instead of overflowing")
    func instants() {
        #expect(MonotonicInstant(nanoseconds: 5) + .milliseconds(1) == MonotonicInstant(nanoseconds: 1_000_005))
        #expect(MonotonicInstant(nanoseconds: 5) + .seconds(Int64.max) == .never)
        #expect(MonotonicInstant.never + .seconds(1) == .never)
    }
}
