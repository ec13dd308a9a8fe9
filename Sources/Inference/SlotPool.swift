/// The slots of a model's workspace, one for the state of each sequence that is under way.
struct SlotPool {
    let limits: LaneSlots
    /// The next to be taken is the last.
    private var free: [Int]
    /// Slots that operations of more than one tick have.
    private var long = 0

    init(_ limits: LaneSlots) {
        self.limits = limits
        free = Self.all(limits)
    }

    /// The lowest is taken first: states that are next to each other share pages.
    private static func all(_ limits: LaneSlots) -> [Int] { Array((0..<limits.count).reversed()) }

    /// Whether operations of more than one tick have fewer slots than they may.
    var hasLong: Bool { long < limits.long }

    /// A slot for a single step.
    mutating func take() -> Int? { free.popLast() }

    /// A slot for an operation of more than one tick.
    mutating func takeLong() -> Int? {
        guard hasLong, let slot = free.popLast() else { return nil }
        long += 1
        return slot
    }

    mutating func giveBack(_ slot: Int, isLong: Bool) {
        free.append(slot)
        if isLong { long -= 1 }
    }

    /// Restores the order in which slots are taken. Only while none is.
    mutating func reset() {
        precondition(free.count == limits.count, "\(limits.count - free.count) slots are taken")
        free = Self.all(limits)
    }
}
