import Recurrent

/// What is to be done already, of which follows how long new work would wait for it.
struct Backlog: Sendable {
    /// What there is of one model.
    struct Share: Sendable {
        let model: String
        /// Nanoseconds for a row and for a batch, by what they have cost of late.
        let perRow: Double
        let perBatch: Double
        /// Single steps.
        var steps = 0
        /// Rows that each longer work still needs.
        var rows: [Int] = []

        /// Nanoseconds by which these works delay one more of so many rows. Rows are shared out evenly, so nobody takes
        /// more of them from it than it has itself; single steps go first.
        func delay(ofRows count: Int) -> Double {
            Double(rows.reduce(steps) { $0 + min(count, $1) }) * perRow
        }

        func time(ofRows count: Int) -> Double { perBatch + Double(count) * perRow }
    }

    var shares: [Share] = []
    /// When this was so, in nanoseconds.
    var time: Int64 = 0

    /// How long a new work of so many rows would be kept from being done, at that time.
    func delay(ofRows count: Int, _ model: String, at now: Int64) -> Duration {
        guard !shares.isEmpty else { return .zero }
        let share = shares.first { $0.model == model }
        let own = share?.delay(ofRows: count) ?? 0
        var nanoseconds = own
        // The time is shared evenly among models that have something to do.
        for other in shares where other.model != model {
            nanoseconds += min(own + (share ?? other).time(ofRows: count), other.delay(ofRows: .max))
        }
        return .nanoseconds(Int64(min(max(0, nanoseconds - Double(now - time)), 1e15)))
    }

    /// Takes note of a work that has come since.
    mutating func add(_ work: Work) {
        guard let index = shares.firstIndex(where: { $0.model == work.model }) else { return }
        if work.rows > 1 { shares[index].rows.append(work.rows) } else { shares[index].steps += 1 }
    }
}

extension Work {
    /// Rows that it needs before it has an answer.
    var rows: Int { max(1, input.count) }
}

extension Lane {
    /// What there is to do here.
    var share: Backlog.Share {
        var share = Backlog.Share(model: served.id, perRow: cost.perRow, perBatch: cost.perTick)
        share.steps = waitingSteps.count + stepping.count
        share.rows = absorbing.map(\.remaining) + waitingLong.map { max(1, $0.remaining) }
        return share
    }
}
