import Synchronization

/// The clock that stored times are on: it only passes, over all the processes that have had the sessions.
///
/// While a process lives this clock goes with the steady clock, whatever the wall clock is set to. `shift` says how far
/// the wall clock is ahead of it: 0 until the wall clock has been set while sessions were kept.
final class StoreClock: Sendable {
    /// By how many seconds the wall clock may come to differ before it counts as set: it is slewed all the time.
    static let tolerance = 5.0

    /// What it adds to the steady clock, in seconds.
    let offset: Double
    private let atomicShift: Atomic<Int>

    /// Whole seconds, so that a time that is on the wall clock comes back as it was.
    var shift: Int { atomicShift.load(ordering: .relaxed) }

    init(offset: Double, shift: Int) {
        self.offset = offset
        atomicShift = Atomic(shift)
    }

    /// The time on this clock at which the wall and the steady clock showed these. Where the wall clock was set since,
    /// or before, the steady clock alone counts.
    func time(_ wall: Double, steady: Double) -> Double {
        let (byWall, exact) = (wall - Double(shift), steady + offset)
        return abs(byWall - exact) <= Self.tolerance ? byWall : exact
    }

    /// Seconds as a whole number, for messages.
    static func text(_ seconds: Double) -> String { String(Int(min(max(seconds, -1e15), 1e15).rounded())) }

    /// Compares the clocks.
    /// - Returns: by how many seconds the wall clock was set since the last time; nil where it was not.
    func notice(_ wall: Double, steady: Double) -> Double? {
        let jump = wall - Double(shift) - (steady + offset)
        guard abs(jump) > Self.tolerance, abs(jump) < Double(StoredNumber.largest) else { return nil }
        atomicShift.store(Int((wall - steady - offset).rounded()), ordering: .relaxed)
        return jump
    }
}

/// What the database has of the clock that its times are on.
struct StoredClock: Equatable {
    /// Seconds by which the wall clock is ahead of it.
    var shift = 0
    /// Which start of the machine it was last seen in, and what it adds to the steady clock of that; empty for none.
    var boot = ""
    var offset = 0.0
}
