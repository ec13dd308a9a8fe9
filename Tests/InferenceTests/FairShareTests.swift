import Testing

@testable import Inference

@Suite("Turns that are shared fairly")
struct FairShareTests {
    private final class Member: Contender {
        let name: String
        /// Nanoseconds of each batch.
        let cost: Int64
        var isRunnable = true
        var hasSteps = false

        init(_ name: String, _ cost: Int64) { (self.name, self.cost) = (name, cost) }
    }

    private func share(_ members: Member...) -> FairShare<Member> {
        var share = FairShare<Member>()
        for member in members { share.add(member) }
        return share
    }

    /// The names of those that get the next turns.
    private func turns(_ count: Int, _ share: inout FairShare<Member>) -> String {
        var names = ""
        for _ in 0..<count {
            guard let member = share.next() else { return names }
            names += member.name
            share.charge(member.cost)
        }
        return names
    }

    @Test("time is shared, not turns") func time() {
        var share = share(Member("a", 30), Member("b", 10))
        let names = turns(400, &share)
        #expect(names.filter { $0 == "a" }.count == 100)
        #expect(names.hasPrefix("abbb"))
    }

    @Test("a member that had nothing to do has saved nothing up") func saving() {
        let (idle, busy) = (Member("i", 10), Member("b", 10))
        idle.isRunnable = false
        var share = share(idle, busy)
        #expect(turns(100, &share) == String(repeating: "b", count: 100))
        idle.isRunnable = true
        let names = turns(100, &share)
        #expect(names.filter { $0 == "i" }.count == 50)
    }

    @Test("a member with steps waits for one long batch at most") func steps() {
        let (long, short) = (Member("l", 1000), Member("s", 10))
        let other = Member("o", 1000)
        short.hasSteps = true
        var share = share(long, other, short)
        let names = Array(turns(300, &share))
        for start in 0..<298 { #expect(names[start..<start + 3].contains("s")) }
        #expect(names.contains("l") && names.contains("o"))
    }

    @Test("nobody has a turn where none is runnable, and one that was removed has none") func none() {
        let (first, second) = (Member("a", 1), Member("b", 1))
        var share = share(first, second)
        share.remove(first)
        #expect(turns(3, &share) == "bbb")
        second.isRunnable = false
        #expect(share.next() == nil && !share.isRunnable)
        share.charge(5)
    }
}
