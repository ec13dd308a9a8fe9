import Metrics
import Testing

@Suite("Prometheus' text format")
struct ExpositionTests {
    @Test("samples, labels and what must be escaped in them") func samples() {
        var text = Exposition()
        text.metric("a_total", .counter, "All of a.", 3)
        text.metric("b", .gauge, "B.")
        text.sample("b", ["x": "1", "y": "say \"hi\"\\\n"], 0.5)
        text.sample("b", [:], .infinity)
        #expect(
            text.text == """
                # HELP a_total All of a.
                # TYPE a_total counter
                a_total 3
                # HELP b B.
                # TYPE b gauge
                b{x="1",y="say \\"hi\\"\\\\\\n"} 0.5
                b +Inf

                """)
    }

    @Test("a histogram counts what is at most each bound") func histogram() {
        var histogram = Histogram(bounds: [1, 2, 4])
        for value in [0.5, 1, 1.5, 4, 5, 100] { histogram.record(value) }
        #expect(histogram.counts == [2, 1, 1, 2] && histogram.count == 6 && histogram.sum == 112)
        var text = Exposition()
        text.samples("h", ["l": "m"], histogram)
        #expect(
            text.text == """
                h_bucket{l="m",le="1"} 2
                h_bucket{l="m",le="2"} 3
                h_bucket{l="m",le="4"} 4
                h_bucket{l="m",le="+Inf"} 6
                h_sum{l="m"} 112
                h_count{l="m"} 6

                """)
    }
}
