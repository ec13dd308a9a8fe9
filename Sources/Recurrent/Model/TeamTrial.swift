/// Tells whether small batches are computed sooner by a team or by one thread, by what the last of each kind took.
///
/// On idle cores a team halves the time that one step of a model of some megabytes takes. Where connections or other
/// programs need the cores, its members wait for each other longer than they help. Who computes does not change a byte.
struct TeamTrial {
    /// Batches after which one is computed the other way.
    static let interval = 32
    /// Batches of either kind before any is preferred.
    static let least = 4

    private var (alone, shared) = (Times(), Times())
    private var prefersTeam = false
    private var turn = 0

    /// Whether the next batch is for the team. Its time goes to `note`.
    mutating func next() -> Bool {
        turn += 1
        if min(alone.count, shared.count) < Self.least { return turn % 2 == 0 }
        return turn % Self.interval == 0 ? !prefersTeam : prefersTeam
    }

    /// What a batch took, in any unit, by the team or by one thread.
    mutating func note(_ time: Double, byTeam: Bool) {
        if byTeam { shared.note(time) } else { alone.note(time) }
        guard min(alone.count, shared.count) >= Self.least else { return }
        // The team takes as much again of the other cores: it must be worth that.
        prefersTeam = shared.mean < (prefersTeam ? 0.85 : 0.75) * alone.mean
    }

    /// Times, of which the last ones weigh most.
    private struct Times {
        private(set) var mean = 0.0
        private(set) var count = 0

        mutating func note(_ time: Double) {
            count += count < TeamTrial.least ? 1 : 0
            // One interruption says little: it counts as twice the usual time.
            if mean == 0 { mean = time } else { mean += (min(time, 2 * mean) - mean) / 4 }
        }
    }
}
