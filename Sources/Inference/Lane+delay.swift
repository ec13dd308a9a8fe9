import DequeModule

/// How long works keep one another waiting.
extension Lane {
    /// Nanoseconds by which the works that are here delay one more of so many rows.
    ///
    /// Rows are shared out evenly, so nobody takes more of them from it than it has itself; single steps go first.
    func delay(ofRows rows: Int) -> Double {
        var ahead = waitingSteps.count
        for operation in stepping where operation.isReady { ahead += min(rows, max(1, operation.remaining)) }
        for operation in absorbing { ahead += min(rows, operation.remaining) }
        for operation in waitingLong { ahead += min(rows, max(1, operation.remaining)) }
        return Double(ahead) * cost.perRow
    }

    /// Nanoseconds that so many rows take by themselves.
    func time(ofRows rows: Int) -> Double { cost.perTick + Double(rows) * cost.perRow }
}
