import Synchronization
import Testing
import Threading

@Suite("Team: threads that do one thing together")
struct TeamTests {
    /// Every member notes what it was dealt, phase after phase.
    final class Tally: Teamwork {
        let phases: Int
        let units: Int
        private let lock = Lock()
        private(set) var dealt: [Int]
        let late = Atomic<Int>(0)
        let calls = Atomic<Int>(0)

        init(phases: Int, units: Int) {
            (self.phases, self.units) = (phases, units)
            dealt = Array(repeating: 0, count: units)
        }

        func work(as member: borrowing Team.Member) {
            calls.add(1, ordering: .relaxed)
            for phase in 0..<phases {
                member.share(units) { unit in
                    let before = lock.withLock {
                        defer { dealt[unit] += 1 }
                        return dealt[unit]
                    }
                    // Before a barrier nobody is ahead, behind it nobody is late.
                    if before % phases != phase { late.add(1, ordering: .relaxed) }
                }
                member.barrier()
            }
        }
    }

    @Test("every unit is dealt once between barriers, whatever the team", arguments: [1, 2, 3, 4, 9])
    func dealing(threads: Int) {
        let team = Team(threads: threads)
        #expect(team.count == threads)
        for units in [0, 1, 2, 7, 100] {
            let tally = Tally(phases: 50, units: units)
            for _ in 0..<20 { team.run(tally) }
            let (late, calls) = (tally.late.load(ordering: .relaxed), tally.calls.load(ordering: .relaxed))
            #expect(late == 0 && calls == 20 * threads)
            #expect(tally.dealt.allSatisfy { $0 == 50 * 20 })
        }
    }

    @Test("when a run is over its members hold nothing of the work, which so ends with its caller") func letGo() {
        final class Work: Teamwork {
            let caller = Thread.current
            let strangers: Strangers
            init(_ strangers: Strangers) { self.strangers = strangers }
            deinit { if Thread.current != caller { strangers.count.add(1, ordering: .relaxed) } }
            func work(as member: borrowing Team.Member) {}
        }
        final class Strangers: Sendable { let count = Atomic<Int>(0) }
        let (team, strangers) = (Team(threads: 3), Strangers())
        for _ in 0..<5_000 { team.run(Work(strangers)) }
        #expect(strangers.count.load(ordering: .relaxed) == 0)
    }

    @Test("one thread alone does all of it, in order") func alone() {
        final class Order: Teamwork {
            var seen: [Int] = []
            func work(as member: borrowing Team.Member) {
                #expect(member.index == 0 && member.count == 1)
                member.share(10, by: 4) { seen.append($0) }
                member.barrier()
                member.share(3) { seen.append($0) }
            }
        }
        let order = Order()
        Team.runAlone(order)
        #expect(order.seen == Array(0..<10) + [0, 1, 2])
    }

    @Test("portions cover every number once", arguments: [1, 2, 4]) func portions(threads: Int) {
        final class Portions: Teamwork {
            private let lock = Lock()
            private(set) var hits = Array(repeating: 0, count: 103)
            func work(as member: borrowing Team.Member) {
                member.share(103, by: 8) { index in lock.withLock { hits[index] += 1 } }
            }
        }
        let (team, portions) = (Team(threads: threads), Portions())
        team.run(portions)
        #expect(portions.hits.allSatisfy { $0 == 1 })
    }

    @Test("what members write before a barrier, all see behind it", arguments: [2, 4]) func visibility(threads: Int) {
        final class Relay: Teamwork {
            var values: [Int]
            let wrong = Atomic<Int>(0)
            init(_ count: Int) { values = Array(repeating: 0, count: count) }
            func work(as member: borrowing Team.Member) {
                for round in 1...200 {
                    // Turn by turn, so that the writes do not meet: only the barrier orders them.
                    for turn in 0..<member.count {
                        if turn == member.index { values[turn] = round }
                        member.barrier()
                    }
                    if values.contains(where: { $0 != round }) { wrong.add(1, ordering: .relaxed) }
                    member.barrier()
                }
            }
        }
        let (team, relay) = (Team(threads: threads), Relay(threads))
        team.run(relay)
        let wrong = relay.wrong.load(ordering: .relaxed)
        #expect(wrong == 0)
    }

    @Test("teams end with their last reference, used or not") func ending() {
        for threads in 1...4 {
            _ = Team(threads: threads)
            let team = Team(threads: threads)
            team.run(Tally(phases: 1, units: 3))
        }
    }
}
