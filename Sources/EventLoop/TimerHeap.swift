/// Something to be done by a loop at an instant; made by `EventLoop.schedule` and used on that loop only.
public final class Timer {
    let deadline: MonotonicInstant
    let action: () -> Void
    /// Its place in the heap, -1 when it has fired or was cancelled.
    fileprivate(set) var index = -1

    init(deadline: MonotonicInstant, action: @escaping () -> Void) {
        self.deadline = deadline
        self.action = action
    }

    /// Whether the action is still to come.
    public var isPending: Bool { index >= 0 }
}

/// A binary heap of timers, earliest first, each of which knows its place, so that cancelling costs O(log n).
struct TimerHeap {
    private var timers: [Timer] = []

    var earliest: MonotonicInstant? { timers.first?.deadline }
    var count: Int { timers.count }

    mutating func insert(_ timer: Timer) {
        precondition(timer.index == -1, "a timer is scheduled once")
        timer.index = timers.count
        timers.append(timer)
        siftUp(timer.index)
    }

    mutating func remove(_ timer: Timer) {
        let index = timer.index
        guard index >= 0 else { return }
        timer.index = -1
        let last = timers.removeLast()
        guard last !== timer else { return }
        place(last, at: index)
        siftUp(index)
        siftDown(last.index)
    }

    /// Takes out the earliest timer if its deadline is `now` or before.
    mutating func popDue(_ now: MonotonicInstant) -> Timer? {
        guard let first = timers.first, first.deadline <= now else { return nil }
        remove(first)
        return first
    }

    private mutating func place(_ timer: Timer, at index: Int) {
        timers[index] = timer
        timer.index = index
    }

    private mutating func siftUp(_ start: Int) {
        var index = start
        let timer = timers[index]
        while index > 0, timer.deadline < timers[(index - 1) / 2].deadline {
            place(timers[(index - 1) / 2], at: index)
            index = (index - 1) / 2
        }
        place(timer, at: index)
    }

    private mutating func siftDown(_ start: Int) {
        var index = start
        let timer = timers[index]
        while true {
            var child = 2 * index + 1
            guard child < timers.count else { break }
            if child + 1 < timers.count, timers[child + 1].deadline < timers[child].deadline { child += 1 }
            guard timers[child].deadline < timer.deadline else { break }
            place(timers[child], at: index)
            index = child
        }
        place(timer, at: index)
    }
}
