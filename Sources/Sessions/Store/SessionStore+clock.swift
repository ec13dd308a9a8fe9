/// How stored times stay right when the wall clock is set.
extension SessionStore {
    /// Begins the clock that stored times are on, where the processes before have left it.
    /// - Parameter lastUse: the latest use of any session; nil where there is none.
    func startClock(lastUse: Double?) throws(StoreError) {
        let accounts = table.accounts
        let (wall, steady) = (accounts.clock(), accounts.steady())
        let stored = try file.clock()
        if stored == nil { options.notice("what the database has of its clock is damaged; idle times may be too long") }
        // Where nothing is kept there is nothing to keep the clock for.
        storedClock = lastUse == nil ? StoredClock() : stored ?? StoredClock()
        let isSameBoot = !options.boot.isEmpty && storedClock.boot == options.boot
        var shift = storedClock.shift
        let time = TimeAtStart(
            wall: stored == nil ? lastUse ?? wall : wall - Double(shift),
            steady: isSameBoot ? steady + storedClock.offset : nil, lastUse: lastUse)
        if let notice = time.notice { options.notice(notice) }
        let newShift = wall - time.seconds
        if abs(newShift - Double(shift)) > StoreClock.tolerance, abs(newShift) < Double(StoredNumber.largest) {
            shift = Int(newShift.rounded())
        }
        accounts.storeClock = StoreClock(offset: time.seconds - steady, shift: shift)
    }

    /// Looks whether the wall clock was set, and has the database know how it now is to its own. What the disk does not
    /// take is tried again the next time.
    func noteClock() {
        let (accounts, clock) = (table.accounts, table.accounts.storeClock)
        if let jump = clock.notice(accounts.clock(), steady: accounts.steady()) {
            let change = "\(StoreClock.text(abs(jump))) s \(jump > 0 ? "ahead" : "back")"
            options.notice("the clock was set \(change); idle times of sessions go on as they were")
        }
        let now = StoredClock(shift: clock.shift, boot: options.boot, offset: clock.offset)
        guard now != storedClock else { return }
        do throws(StoreError) {
            try file.transaction { () throws(StoreError) in try file.write(now) }
            storedClock = now
        } catch {
            return
        }
    }
}
