/// RFC 3339 in UTC with milliseconds, as in `2026-11-23T10:15:00.250Z`. RFC 3339 has the years 0000 to 9999: a time
/// outside of them is written as the nearest within.
public func timestamp(_ secondsSince1970: Double) -> String {
    let seconds = secondsSince1970.isNaN ? 0 : min(max(secondsSince1970, firstSecond), lastSecond)
    let milliseconds = Int((seconds * 1000).rounded(.down))
    let (days, inDay) = (milliseconds.floorDivided(by: 86_400_000), milliseconds.floorRemainder(by: 86_400_000))
    // Days to a civil date by eras of 400 years that begin on 1 March.
    let shifted = days + 719_468
    let era = shifted.floorDivided(by: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    let time = "\(padded(inDay / 3_600_000, 2)):\(padded(inDay / 60_000 % 60, 2)):\(padded(inDay / 1000 % 60, 2))"
    return "\(date)T\(time).\(padded(inDay % 1000, 3))Z"
}

/// 0000-01-01T00:00:00Z and the last millisecond of the year 9999.
private let (firstSecond, lastSecond) = (-62_167_219_200.0, 253_402_300_799.999)

private func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

extension Int {
    fileprivate func floorDivided(by divisor: Int) -> Int { (self - floorRemainder(by: divisor)) / divisor }
    fileprivate func floorRemainder(by divisor: Int) -> Int { ((self % divisor) + divisor) % divisor }
}
