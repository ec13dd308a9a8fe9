import TestSupport
import Testing

@testable import Inference

@Suite("Likeliest tokens")
struct RankedTokenTests {
    @Test("are those of a stable sort, of equals the lower id first, for any count", arguments: 0..<40)
    func sorted(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        // Few different values, so that many are equal.
        let values = (0..<200).map { _ in Float(Int.random(in: 0..<9, using: &random)) }
        let logits = ([7, 7] + values + [7])[2..<202]
        let order = values.indices.sorted { (values[$0], -$0) > (values[$1], -$1) }
        for count in [0, 1, 2, 5, 64, 65, 199, 200, 300] {
            #expect(RankedToken.best(count, of: logits).map(\.token) == Array(order.prefix(count)))
        }
        #expect(RankedToken.best(of: logits).token == order[0])
    }
}
