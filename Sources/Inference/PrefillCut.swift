/// Shares the rows that a batch has for prefills among them.
///
/// Each gets the same number, what one does not need goes to the others, and nobody gets so few that the work around a
/// row outweighs it: where there are more prefills than shares of `leastShare`, the first in line get theirs.
struct PrefillCut {
    static let leastShare = 8

    /// A prefill in line.
    struct Demand: Equatable {
        /// Steps it has absorbed in its life.
        var step: Int
        /// Inputs still to be absorbed.
        var remaining: Int
        /// It may be cut only where the step is a multiple of this, and where its input ends.
        var block = 1

        /// The most rows up to `count` after which it may be cut; at least those to the first such place.
        func rows(_ count: Int) -> Int {
            if count >= remaining { return remaining }
            let whole = (step + count) / block * block - step
            return min(remaining, whole > 0 ? whole : block - step % block)
        }
    }

    /// Rows for each of `demands`.
    /// - Parameters:
    ///   - budget: rows that should be used; passed only where the first in line could not be cut otherwise.
    ///   - room: rows that there are.
    static func share(_ demands: [Demand], budget: Int, room: Int, into counts: inout [Int]) {
        counts.removeAll(keepingCapacity: true)
        counts.append(contentsOf: repeatElement(0, count: demands.count))
        var (left, room) = (min(budget, room), room)
        var wanting = demands.count
        var (isFirst, isMoving) = (true, true)
        while left > 0 && wanting > 0 {
            // What is too little for anybody's next cut is the first one's who can use it whole.
            let share = isMoving ? max(leastShare, left / wanting) : left
            let isLastRound = !isMoving
            isMoving = false
            var stillWanting = 0
            for (index, demand) in demands.enumerated() where demand.remaining > counts[index] && left > 0 {
                let before = counts[index]
                let count = demand.rows(before + min(share, left))
                stillWanting += 1
                guard count > before, count - before <= (isFirst ? room : left) else { continue }
                counts[index] = count
                left -= count - before
                room -= count - before
                (isMoving, isFirst) = (true, false)
            }
            wanting = stillWanting
            if isLastRound { return }
        }
    }
}
