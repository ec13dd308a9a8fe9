import EventLoop
import Testing

@testable import API
@testable import HTTP

@Suite("Figures of requests")
struct ServerMetricsTests {
    @Test("durations are in seconds, that of a streamed reply to its beginning and to its end") func durations() {
        let metrics = ServerMetrics()
        func note(_ duration: Duration, streamBegan: Duration? = nil) {
            metrics.note(
                Exchange(
                    request: nil, status: .ok, peer: .none, isSecure: false, received: 0, sent: 0, duration: duration,
                    streamBegan: streamBegan, isComplete: true, identifier: .generated(1)))
        }
        note(.milliseconds(250))
        note(.seconds(8), streamBegan: .milliseconds(500))
        let lines = metrics.exposition(nil).split(separator: "\n")
        func figure(_ name: String, _ labels: String = "") -> Substring? {
            let beginning = "scanstep_http_\(name){method=\"\",route=\"\"\(labels)} "
            return lines.first { $0.hasPrefix(beginning) }?.dropFirst(beginning.count)
        }
        #expect(figure("request_duration_seconds_sum") == "0.75")
        #expect(figure("request_duration_seconds_bucket", ",le=\"0.1\"") == "0")
        #expect(figure("request_duration_seconds_bucket", ",le=\"0.25\"") == "1")
        #expect(figure("stream_duration_seconds_sum") == "8")
    }
}
