import TestSupport
import Testing

@testable import Sessions

@Suite("LinkedOrder")
struct LinkedOrderTests {
    private func all(_ order: LinkedOrder) -> [Int] {
        var list: [Int] = []
        var at = order.first
        while at >= 0 {
            list.append(at)
            at = order.next(after: at)
        }
        return list
    }

    @Test("it is what a plain list would be, however numbers come and go", arguments: 0..<20) func model(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var order = LinkedOrder()
        var list: [Int] = []
        for _ in 0..<300 {
            let number = Int.random(in: 0..<20, using: &random)
            if let place = list.firstIndex(of: number) {
                order.remove(number)
                list.remove(at: place)
            } else {
                order.append(number)
                list.append(number)
            }
            #expect(all(order) == list && order.last == list.last ?? -1)
        }
    }
}
