/// Counts of values that are at most certain bounds, as Prometheus has them.
public struct Histogram: Sendable {
    /// In order, at most 23; values above the last are counted in one more.
    public let bounds: [Double]
    /// In place: a copy made under a lock shares nothing with what is counted in afterwards.
    private var places = InlineArray<24, Int>(repeating: 0)
    public private(set) var sum = 0.0

    public init(bounds: [Double]) {
        precondition(bounds.count < places.count, "\(bounds.count) bounds")
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy(<), "bounds \(bounds) are not in order")
        self.bounds = bounds
    }

    /// Of values that are at most the bound of that place and greater than the one before.
    public var counts: [Int] { (0...bounds.count).map { places[$0] } }

    public mutating func record(_ value: Double) {
        var place = 0
        while place < bounds.count, value > bounds[place] { place += 1 }
        places[place] += 1
        sum += value
    }

    public var count: Int { counts.reduce(0, +) }

    /// Bounds for times in seconds, from a tenth of a millisecond to half a minute.
    public static let seconds: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]

    /// Bounds for times in seconds that may be long, from a tenth of a second to a day.
    public static let minutes: [Double] = [0.1, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400]

    /// Bounds for counts, by powers of two up to 1024.
    public static let powersOfTwo: [Double] = (0...10).map { Double(1 << $0) }
}
