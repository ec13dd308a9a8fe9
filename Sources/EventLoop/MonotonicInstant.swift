/// A point on the monotonic clock, in nanoseconds; it moves on only and means nothing to another machine.
public struct MonotonicInstant: Comparable, Sendable {
    /// Nanoseconds since the machine's start.
    public let nanoseconds: Int64

    /// A deadline that never passes.
    public static let never = MonotonicInstant(nanoseconds: .max)

    /// The current time, read from the kernel.
    public static var now: MonotonicInstant { Clock.monotonic() }

    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    public static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The instant `duration` later; durations past the clock's range give `never`.
    public static func + (instant: Self, duration: Duration) -> Self {
        let (seconds, attoseconds) = duration.components
        let (scaled, tooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if tooLong { return seconds < 0 ? Self(nanoseconds: .min) : never }
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(scaled + attoseconds / 1_000_000_000)
        return overflow ? never : Self(nanoseconds: sum)
    }

    /// The time from `earlier` to `later`.
    public static func - (later: Self, earlier: Self) -> Duration {
        .nanoseconds(later.nanoseconds - earlier.nanoseconds)
    }
}
