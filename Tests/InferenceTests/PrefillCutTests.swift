import TestSupport
import Testing

@testable import Inference

@Suite("PrefillCut and TickCost")
struct PrefillCutTests {
    private func share(_ demands: [PrefillCut.Demand], budget: Int, room: Int = 1024) -> [Int] {
        var counts = [7, 7, 7]
        PrefillCut.share(demands, budget: budget, room: room, into: &counts)
        return counts
    }

    private func demands(_ remaining: Int...) -> [PrefillCut.Demand] {
        remaining.map { .init(step: 0, remaining: $0) }
    }

    @Test("everybody gets the same, and what one does not need goes to the others") func shares() {
        #expect(share([], budget: 24) == [])
        #expect(share(demands(100), budget: 24) == [24])
        #expect(share(demands(100, 100), budget: 24) == [12, 12])
        #expect(share(demands(1000, 10), budget: 192) == [182, 10])
        #expect(share(demands(10, 1000, 30), budget: 192) == [10, 152, 30])
        #expect(share(demands(3, 4), budget: 192) == [3, 4])
        #expect(share(demands(100, 100, 100, 100, 100), budget: 24) == [8, 8, 8, 0, 0])
        #expect(share(demands(100, 100), budget: 192, room: 30) == [15, 15])
    }

    @Test("blocks are cut at their ends only, and the first in line always moves") func blocks() {
        func blocks(_ all: [(step: Int, remaining: Int)]) -> [PrefillCut.Demand] {
            all.map { .init(step: $0.step, remaining: $0.remaining, block: 64) }
        }
        #expect(share(blocks([(0, 1000)]), budget: 24) == [64])
        #expect(share(blocks([(60, 1000)]), budget: 24) == [4])
        #expect(share(blocks([(60, 1000)]), budget: 100) == [68])
        #expect(share(blocks([(60, 2)]), budget: 24) == [2])
        #expect(share(blocks([(0, 1000), (0, 1000)]), budget: 24) == [64, 0])
        #expect(share(blocks([(0, 1000), (0, 1000)]), budget: 192) == [128, 64])
        #expect(share(blocks([(0, 100), (0, 10)]), budget: 24) == [64, 0])
        #expect(share(blocks([(0, 1000), (0, 10), (0, 1000)]), budget: 150) == [64, 10, 64])
    }

    @Test("random demands: no more than there is room for, and cuts only where they may be", arguments: 0..<200)
    func random(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let demands = (0..<Int.random(in: 1...80, using: &random)).map { _ in
            PrefillCut.Demand(
                step: Int.random(in: 0...200, using: &random), remaining: Int.random(in: 1...500, using: &random),
                block: Bool.random(using: &random) ? 1 : 64)
        }
        let budget = Int.random(in: 24...300, using: &random)
        let room = Int.random(in: 64...256, using: &random)
        let counts = share(demands, budget: budget, room: room)
        let sum = counts.reduce(0, +)
        #expect(counts.count == demands.count && counts[0] > 0 && sum <= room && sum <= max(budget, 64))
        for (demand, count) in zip(demands, counts) {
            #expect(count <= demand.remaining)
            #expect(count == 0 || count == demand.remaining || (demand.step + count) % demand.block == 0)
        }
        if demands.allSatisfy({ $0.block == 1 }) {
            #expect(sum == min(budget, room, demands.reduce(0) { $0 + $1.remaining }))
        }
    }

    @Test("the cost of a row is found beside a base, whatever the sizes", arguments: [0.0, 50_000, 1_000_000])
    func cost(base: Double) {
        var cost = TickCost(guess: 1)
        var random = SeededGenerator(seed: 3)
        for _ in 0..<100 {
            let rows = Int.random(in: 1...192, using: &random)
            cost.note(rows: rows, nanoseconds: Int64(base + 10_000 * Double(rows)))
        }
        #expect(abs(cost.perRow - 10_000) < 500)
        #expect(abs(cost.rows(within: 2_000_000) - 200) < 10)
    }

    @Test("ticks of one size count the base into the rows; one hiccup changes little") func robust() {
        var cost = TickCost(guess: 1_000_000)
        for _ in 0..<100 { cost.note(rows: 10, nanoseconds: 200_000) }
        #expect(abs(cost.perRow - 20_000) < 1000)
        cost.note(rows: 10, nanoseconds: 1_000_000_000)
        #expect(cost.perRow < 23_000)
        for _ in 0..<50 { cost.note(rows: 0, nanoseconds: 0) }
        #expect(cost.perRow > 0 && cost.perRow.isFinite)
    }
}
