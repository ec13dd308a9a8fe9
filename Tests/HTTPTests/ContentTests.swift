import Testing

@testable import HTTP

@Suite("Contents: gzip, and what clients would rather have")
struct ContentTests {
    @Test("what is compressed comes back the same, whatever it is") func roundTrip() throws {
        var random = SystemRandomNumberGenerator()
        for count in [0, 1, 2, 100, 65_535, 65_536, 65_537, 300_000] {
            for noise in [0, 3, 255] {
                let bytes = (0..<count).map { _ in UInt8.random(in: 0...UInt8(noise), using: &random) }
                let coded = Gzip.compress(bytes)
                #expect(try Gzip.expand(coded, limit: count) == bytes)
                #expect(try Gzip.expand(coded + coded, limit: 2 * count) == bytes + bytes)
                if count > 0 {
                    #expect(throws: Gzip.Failure.tooLarge) { try Gzip.expand(coded, limit: count - 1) }
                }
            }
        }
    }

    @Test("what is cut short, at any place, or changed is no gzip") func broken() throws {
        let bytes = Array("a text, and a text, and another text".utf8)
        let coded = Gzip.compress(bytes)
        for count in coded.indices {
            #expect(throws: Gzip.Failure.malformed) { try Gzip.expand(Array(coded[..<count]), limit: 1000) }
        }
        // Behind the header, whose time and system are anything.
        for index in 10..<coded.count {
            var changed = coded
            changed[index] ^= 1
            #expect(throws: Gzip.Failure.self) { try Gzip.expand(changed, limit: 1000) }
        }
        #expect(throws: Gzip.Failure.malformed) { try Gzip.expand(coded + [0], limit: 1000) }
    }

    @Test(
        "preferences are by the most specific range",
        arguments: [
            (["text/html, */*;q=0.1"], "application/json", 100), (["application/*;q=0.5"], "application/json", 500),
            (["application/*;q=0.5, application/json;q=0"], "application/json", 0),
            (["a/b", "c/d;q=0.25"], "c/d", 250),
            (["TEXT/Event-Stream"], "text/event-stream", 1000), ([], "a/b", 0), (["a/b;version=1;q=0.001"], "a/b", 1),
            (["a/b;q=2"], "a/b", 1000), (["a/b;q=x"], "a/b", 1000), ([",,; ;a/b"], "a/b", 0),
            (["a/b;q=1.0"], "a/b", 1000),
        ] as [([String], String, Int)])
    func preference(values: [String], type: String, quality: Int) {
        #expect(Preference(values).quality(ofType: type) == quality)
    }
}
