import Testing

@testable import Recurrent

@Suite("Small batches by a team or by one thread")
struct TeamTrialTests {
    /// Batches of the next `count` that went to the team, where either way takes so long.
    private func shared(_ trial: inout TeamTrial, of count: Int, alone: Double, team: Double) -> Int {
        (0..<count).count { _ in
            let byTeam = trial.next()
            trial.note(byTeam ? team : alone, byTeam: byTeam)
            return byTeam
        }
    }

    @Test("go to whoever is sooner, but for one of 32") func sooner() {
        var trial = TeamTrial()
        _ = shared(&trial, of: 8, alone: 400, team: 200)
        #expect(shared(&trial, of: 320, alone: 400, team: 200) == 310)
        trial = TeamTrial()
        _ = shared(&trial, of: 8, alone: 200, team: 400)
        #expect(shared(&trial, of: 320, alone: 200, team: 400) == 10)
    }

    @Test("stay with one thread where the team saves a fifth of the time") func barely() {
        var trial = TeamTrial()
        _ = shared(&trial, of: 8, alone: 100, team: 80)
        #expect(shared(&trial, of: 320, alone: 100, team: 80) == 10)
    }

    @Test("change over when the cores are taken, at once, and back when they are free again") func change() {
        var trial = TeamTrial()
        _ = shared(&trial, of: 40, alone: 400, team: 200)
        // The team is dropped after a few slow batches and asked again now and then.
        #expect(shared(&trial, of: 320, alone: 400, team: 5000) <= 20)
        let afterwards = shared(&trial, of: 3200, alone: 400, team: 200)
        #expect(afterwards > 2400)
        #expect(shared(&trial, of: 320, alone: 400, team: 200) == 310)
    }

    @Test("do not change over for one interruption") func interruption() {
        var trial = TeamTrial()
        _ = shared(&trial, of: 40, alone: 400, team: 200)
        trial.note(1e9, byTeam: true)
        #expect(shared(&trial, of: 32, alone: 400, team: 200) == 31)
    }
}
