import Kernels
import Threading

/// Runs works in turns and times them, and the processor's multiply-add peak between them.
struct BenchTimer {
    /// Below this a run is repeated, and the time of one is the quotient.
    private static let shortest = Duration.milliseconds(50)

    let team: Team
    /// Of each work.
    let runs: Int
    /// Time after which a work is not run again.
    let limit: Duration
    /// GFLOP/s of the multiply-add loop on all threads, one figure each time it was measured.
    private(set) var peaks: [Double] = []

    init(team: Team, runs: Int, limit: Duration) { (self.team, self.runs, self.limit) = (team, runs, limit) }

    /// What was measured of one work.
    struct Result {
        let kind: String
        let size: BenchSize
        let scan: ScanMode
        let channels: Int?
        let multiplyAdds: Int?
        var repeats = 1
        /// Of each run, divided by `repeats`.
        var seconds: [Double] = []
        /// The mean of the multiply-add peaks just before and just after each run, in GFLOP/s.
        var peaks: [Double] = []
        /// Most bytes the process had resident during any run.
        var residentPeak = 0

        init(_ work: any BenchWork) {
            (kind, size, scan) = (work.kind, work.size, work.scan)
            (channels, multiplyAdds) = (work.channels, work.multiplyAdds)
        }

        /// Per run.
        var gflops: [Double]? { multiplyAdds.map { work in seconds.map { Double(work) * 2e-9 / $0 } } }
        /// Per run.
        var fractions: [Double]? { gflops.map { zip($0, peaks).map { $0 / $1 } } }
        /// Per run.
        var tokensPerSecond: [Double] { seconds.map { Double(size.sequences * size.steps) / $0 } }
    }

    /// Measures every work `runs` times, in turns, as far as the limit allows.
    mutating func measure(_ works: [any BenchWork]) -> [Result] {
        var results = works.map { Result($0) }
        var spent = works.map { _ in Duration.zero }
        let progress = BenchProgress(total: works.count * (runs + 1))
        for (index, work) in works.enumerated() {
            progress.show(index, "warming up \(work.kind) \(work.size)")
            _ = work.begin()
            var share = 1.0
            let time = ContinuousClock().measure { share = work.begin() }
            let whole = time / share
            if whole < Self.shortest {
                results[index].repeats = Int((Self.shortest / max(whole, .nanoseconds(100))).rounded(.up))
            }
        }
        for run in 0..<runs {
            for (index, work) in works.enumerated() where spent[index] < limit {
                progress.show(works.count * (run + 1) + index, "\(work.kind) \(work.size)")
                let before = peak()
                BenchMemory.forgetPeak()
                let repeats = results[index].repeats
                let time = ContinuousClock().measure { for _ in 0..<repeats { work.run() } }
                results[index].residentPeak = max(results[index].residentPeak, BenchMemory.peak)
                results[index].peaks.append((before + peak()) / 2)
                results[index].seconds.append(time / .seconds(1) / Double(repeats))
                spent[index] += time
            }
        }
        progress.clear()
        return results
    }

    /// Runs the multiply-add loop on every thread for some ten milliseconds.
    private mutating func peak() -> Double {
        let loop = MultiplyAddLoop(threads: team.count)
        let time = ContinuousClock().measure { team.run(loop) }
        precondition(loop.sums.allSatisfy { $0.isFinite })
        let multiplyAdds = MultiplyAddLoop.iterations * MultiplyAddPeak.multiplyAdds * team.count
        peaks.append(Double(multiplyAdds) * 2e-9 / (time / .seconds(1)))
        return peaks.last!
    }
}

/// The multiply-add peak on all threads of a team at once.
private final class MultiplyAddLoop: Teamwork {
    static let iterations = 5_000_000

    private let lock = Lock()
    /// One for each member.
    private(set) var sums: [Float]

    init(threads: Int) { sums = Array(repeating: 0, count: threads) }

    func work(as member: borrowing Team.Member) {
        let (index, sum) = (member.index, MultiplyAddPeak.run(iterations: Self.iterations))
        lock.withLock { sums[index] = sum }
    }
}
