/// Who has a turn, of members that make batches in turns.
protocol Contender: AnyObject {
    /// Whether a turn would do anything.
    var isRunnable: Bool { get }
    /// Whether somebody waits for single steps of it.
    var hasSteps: Bool { get }
}

/// Shares time among members, batch by batch: the next turn goes to the one that has had the least time.
///
/// A member that had nothing to do has saved nothing up: it begins again with the least of those that had. Between two
/// turns that are given by time, every other member with steps has one, so that a step waits for one long batch at most.
struct FairShare<Member: Contender> {
    private struct Entry {
        let member: Member
        /// Nanoseconds of computing that the member has had.
        var time: Int64 = 0
        /// The number of its latest turn.
        var latestTurn = 0
        /// Whether it was runnable when the latest turn was given.
        var isContending = false
        /// Whether it has had a turn for its steps since the latest turn that was given by time.
        var hasStepped = false
    }

    private var entries: [Entry] = []
    private var turn = 0
    /// The index of the entry that has the turn.
    private var current: Int?

    var members: some Sequence<Member> { entries.lazy.map(\.member) }

    var isRunnable: Bool { entries.contains { $0.member.isRunnable } }

    mutating func add(_ member: Member) { entries.append(Entry(member: member)) }

    mutating func remove(_ member: Member) {
        entries.removeAll { $0.member === member }
        current = nil
    }

    /// Gives the next turn; nil where no member is runnable.
    mutating func next() -> Member? {
        var least = Int64.max
        for entry in entries where entry.isContending && entry.member.isRunnable { least = min(least, entry.time) }
        var (neediest, stepping): (Int?, Int?)
        for index in entries.indices {
            guard entries[index].member.isRunnable else {
                entries[index].isContending = false
                continue
            }
            if !entries[index].isContending, least < .max { entries[index].time = max(entries[index].time, least) }
            entries[index].isContending = true
            let entry = entries[index]
            if neediest.map({ (entry.time, entry.latestTurn) < (entries[$0].time, entries[$0].latestTurn) }) ?? true {
                neediest = index
            }
            guard !entry.hasStepped, entry.latestTurn != turn, entry.member.hasSteps else { continue }
            if stepping.map({ entry.latestTurn < entries[$0].latestTurn }) ?? true { stepping = index }
        }
        if let stepping {
            entries[stepping].hasStepped = true
        } else {
            for index in entries.indices { entries[index].hasStepped = false }
        }
        current = stepping ?? neediest
        turn += 1
        guard let current else { return nil }
        entries[current].latestTurn = turn
        return entries[current].member
    }

    /// Counts the nanoseconds that the member with the turn has computed.
    mutating func charge(_ nanoseconds: Int64) { if let current { entries[current].time += nanoseconds } }
}
