/// The time from which idle sessions of an earlier process are counted.
///
/// Where the machine has not been started since, its steady clock says how long no process was there. The wall clock
/// may have been set meanwhile: one that went back counts as standing still, and one that went far ahead does too. To
/// keep a session for too long does no harm, to end it too early does.
struct TimeAtStart {
    /// A longer time since the last use of any session is taken for a clock that was set, in seconds: a day.
    static let longestRest = 86_400.0

    /// On the store's clock.
    let seconds: Double
    /// What the log should say of it; nil where nothing is unusual.
    let notice: String?

    /// All of it in seconds on the store's clock.
    /// - Parameters:
    ///   - wall: the time by the wall clock.
    ///   - steady: the time by the machine's steady clock; nil where the machine has been started anew.
    ///   - lastUse: the latest use of any session.
    init(wall: Double, steady: Double? = nil, lastUse: Double?) {
        guard let lastUse else {
            (seconds, notice) = (wall, nil)
            return
        }
        let rest = wall - lastUse
        let isPossible = (0...Self.longestRest).contains(rest)
        if let steady, steady >= lastUse {
            seconds = isPossible ? min(steady, wall) : steady
            let set = StoreClock.text(wall - seconds)
            let isSet = abs(wall - seconds) > StoreClock.tolerance
            notice = isSet ? "the clock was set by \(set) s while no server ran; that is no idle time" : nil
            return
        }
        seconds = isPossible ? wall : lastUse
        if isPossible {
            notice = nil
        } else if rest < 0 {
            let behind = StoreClock.text(-rest)
            notice = "the clock is \(behind) s behind the last use of a session; idle times count from that use"
        } else {
            let ago = StoreClock.text(rest)
            notice = "the last use of a session was \(ago) s ago by the clock; this time does not count as idle time"
        }
    }
}
