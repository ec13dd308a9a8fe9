import EventLoop
import Testing

@testable import API

@Suite("Keys, their rates and traces")
struct KeyRingTests {
    private func key(_ name: String, _ secret: String, _ limits: APIKey.Limits = .init()) -> APIKey {
        APIKey(name: name, digest: APIKey.digest(of: secret), limits: limits)
    }

    @Test("a key is known by its text alone") func holder() {
        let ring = KeyRing([key("a", "one"), key("b", "two")])
        #expect(ring.holder(of: "one")?.name == "a" && ring.holder(of: "two")?.name == "b")
        for text in ["", "on", "one ", "One", "three"] { #expect(ring.holder(of: text) == nil) }
        ring.replace(by: [key("a", "three")])
        #expect(ring.holder(of: "one") == nil && ring.holder(of: "three")?.name == "a" && ring.count == 1)
    }

    @Test("a rate lets through so many a second, and twice as many after a rest") func rate() {
        var bucket = TokenBucket(rate: 10)
        for _ in 0..<20 { #expect(bucket.take(at: 5) == nil) }
        #expect(abs((bucket.take(at: 5) ?? 0) - 0.1) < 1e-6)
        #expect(bucket.take(at: 5.05) != nil && bucket.take(at: 5.1) == nil && bucket.take(at: 5.1) != nil)
        var passed = 0
        for tick in 0..<10_000 where bucket.take(at: 6 + Double(tick) / 1000) == nil { passed += 1 }
        // Ten seconds, and what had gathered before.
        #expect((100...110).contains(passed), "\(passed)")
        var slow = TokenBucket(rate: 0.5)
        #expect(slow.take(at: 0) == nil && abs((slow.take(at: 0) ?? 0) - 2) < 1e-6 && slow.take(at: 2) == nil)
    }

    @Test("what a rate leaves unused is kept for two seconds, however long the rest") func rest() {
        var bucket = TokenBucket(rate: 10)
        #expect(bucket.take(at: 0) == nil)
        for _ in 0..<20 { #expect(bucket.take(at: 1000) == nil) }
        #expect(bucket.take(at: 1000) != nil)
    }

    @Test("what was used of a rate stays used when keys are read again") func takeOver() {
        var limits = APIKey.Limits()
        limits.requestsPerSecond = 1
        let ring = KeyRing([key("a", "one", limits)])
        let now = MonotonicInstant.now
        for _ in 0..<2 { #expect(ring.holder(of: "one")?.admit(at: now) == nil) }
        ring.replace(by: [key("a", "one", limits)])
        #expect(ring.holder(of: "one")?.admit(at: now) != nil)
        limits.requestsPerSecond = 2
        ring.replace(by: [key("a", "one", limits)])
        #expect(ring.holder(of: "one")?.admit(at: now) == nil)
    }

    @Test(
        "a traceparent is taken only as it is written down",
        arguments: [
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-ever", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", false), ("", false), ("00", false),
        ])
    func traceParent(text: String, isTaken: Bool) {
        let trace = TraceParent(text)
        #expect((trace != nil) == isTaken)
        if isTaken {
            #expect(trace?.traceID == "0af7651916cd43dd8448eb211c80319c" && trace?.parentID == "b7ad6b7169203331")
        }
    }
}
