/// The time from which idle sessions of an earlier process are counted.
///
/// The wall clock may have been set while no process was there to notice. A clock that went back counts as standing
/// still, and one that went far ahead does too: to keep a session for too long does no harm, to end it too early does.
struct TimeAtStart {
    /// A longer time since the last use of any session is taken for a clock that was set, in seconds: a day.
    static let longestRest = 86_400.0

    /// Seconds since 1970.
    let seconds: Double
    /// What the log should say of it; nil where nothing is unusual.
    let notice: String?

    /// - Parameters:
    ///   - clock: what the wall clock says now, in seconds since 1970.
    ///   - lastUse: the latest use of any session.
    init(_ clock: Double, lastUse: Double?) {
        let rest = lastUse.map { clock - $0 } ?? 0
        switch rest {
        case ..<0:
            seconds = clock - rest
            notice = "the clock is \(-rest) s behind the last use of a session; idle times count from that use"
        case ...Self.longestRest: (seconds, notice) = (clock, nil)
        default:
            seconds = clock - rest
            notice = "the last use of a session was \(rest) s ago by the clock; this time does not count as idle time"
        }
    }
}
