import Metrics
import Threading

/// Times that several loops record: under the lock, so `@unchecked Sendable`.
final class SharedHistogram: @unchecked Sendable {
    private let lock = Lock()
    private var histogram = Histogram(bounds: Histogram.seconds)

    var value: Histogram { lock.withLock { histogram } }

    func record(_ duration: Duration) { lock.withLock { histogram.record(duration / .seconds(1)) } }
}
