import Foundation
import TestSupport
import Testing

@testable import API

@Suite("Timestamps of RFC 3339")
struct TimestampTests {
    @Test(
        "known moments",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1, "1970-01-01T00:00:01.000Z"), (-1, "1969-12-31T23:59:59.000Z"),
            (86_399.999, "1970-01-01T23:59:59.999Z"), (68_169_599, "1972-02-28T23:59:59.000Z"),
            (68_169_600, "1972-02-29T00:00:00.000Z"), (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"), (951_868_799, "2000-02-29T23:59:59.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"), (946_684_799.5, "1999-12-31T23:59:59.500Z"),
            (978_220_800, "2000-12-31T00:00:00.000Z"), (2_147_483_648, "2038-01-19T03:14:08.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"), (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"), (-2_203_891_200, "1900-03-01T00:00:00.000Z"),
            (-0.001, "1969-12-31T23:59:59.999Z"), (-0.25, "1969-12-31T23:59:59.750Z"),
            (-62_135_596_800, "0001-01-01T00:00:00.000Z"), (0.25, "1970-01-01T00:00:00.250Z"),
            (0.000_9, "1970-01-01T00:00:00.000Z"), (1.999_999, "1970-01-01T00:00:01.999Z"),
        ] as [(Double, String)])
    func table(seconds: Double, expected: String) {
        #expect(timestamp(seconds) == expected)
    }

    @Test("random moments of eight thousand years agree with Foundation's formatter") func foundation() {
        let formatter = ISO8601DateFormatter()
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        var random = SeededGenerator(seed: 1)
        for _ in 0..<5000 {
            let seconds = Int.random(in: -10_000_000_000...250_000_000_000, using: &random)
            let expected = formatter.string(from: Date(timeIntervalSince1970: Double(seconds)))
            #expect(timestamp(Double(seconds)) == expected.dropLast() + ".000Z")
        }
    }

    @Test(
        "a time that no year of four digits has is written as the nearest that one has",
        arguments: [
            (Double.infinity, "9999-12-31T23:59:59.999Z"), (1e300, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800, "9999-12-31T23:59:59.999Z"), (-.infinity, "0000-01-01T00:00:00.000Z"),
            (-1e18, "0000-01-01T00:00:00.000Z"), (.nan, "1970-01-01T00:00:00.000Z"),
        ])
    func extremes(seconds: Double, expected: String) {
        #expect(timestamp(seconds) == expected)
    }

    @Test("timestamps sort as their moments do") func order() {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<2000 {
            let a = Double.random(in: 0...4e9, using: &random)
            let b = a + Double.random(in: 0.002...1e5, using: &random)
            #expect(timestamp(a) < timestamp(b))
        }
    }
}
