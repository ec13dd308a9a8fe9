import Testing

@testable import HTTP

@Suite("Origins of pages")
struct CrossOriginTests {
    @Test(
        "origins as browsers send them are taken",
        arguments: [
            "https://lab.example", "http://localhost:3000", "https://10.0.0.7:8443", "http://[::1]:8080",
            "http://[2001:db8::1:0:0:1]", "http://[::ffff:7f00:1]", "http://127.0.0.1", "http://1.example",
            "http://0x7f.a",
            "https://xn--bcher-kva.example", "http://lab_1.example", "https://lab.example:80", "http://lab.example:443",
        ])
    func good(origin: String) { #expect(CrossOrigin.flaw(of: [origin]) == nil) }

    @Test(
        "what no browser would ever send is refused, with what to write instead",
        arguments: [
            ("https://lab.example/", "https://lab.example"), ("https://lab.example/app", "https://lab.example"),
            ("https://lab.example?x=1", "https://lab.example"), ("https://Lab.Example", "https://lab.example"),
            ("HTTPS://lab.example", "https://lab.example"), ("https://lab.example:443", "https://lab.example"),
            ("http://lab.example:80", "http://lab.example"), ("http://lab.example:", "http://lab.example"),
            ("https://lab.example:08443", "https://lab.example:8443"),
            ("https://me@lab.example", "https://lab.example"),
            ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"), ("http://[::0001]:8080", "http://[::1]:8080"),
            ("http://[2001:db8:0:0:1:0:0:1]", "http://[2001:db8::1:0:0:1]"),
            ("http://[1:0:3:4:5:6:7::]", "http://[1:0:3:4:5:6:7:0]"),
            ("http://[::ffff:127.0.0.1]", "http://[::ffff:7f00:1]"), ("http://0x7f.1", "http://127.0.0.1"),
            ("http://127.1", "http://127.0.0.1"), ("http://2130706433", "http://127.0.0.1"),
            ("http://010.0.0.1", "http://8.0.0.1"), ("http://1.2.3.4.", "http://1.2.3.4"),
        ])
    func corrected(origin: String, instead: String) throws {
        let flaw = try #require(CrossOrigin.flaw(of: [origin]))
        #expect(flaw.contains("\"\(origin)\"") && flaw.hasSuffix("write \(instead)"), "\(flaw)")
    }

    @Test(
        "so is what is no origin at all",
        arguments: [
            "lab.example", "//lab.example", "https://", "https:///", "null", "ftp://lab.example",
            "https://*.lab.example",
            "https://lab.example:99999", "https://lab.example:x", "https://bücher.example", "https://lab example", "",
            "https://[::1", "https://a]", "http://1.2.3.4.5", "http://1.2.3.256", "http://a.1", "http://08.1",
            "http://1..2",
            "http://[1:2:3]", "http://[1::2::3]", "http://[::12345]", "http://[::1.2.3]", "http://[]", "http://[::g]",
            "http://4294967296",
        ])
    func hopeless(origin: String) throws {
        let flaw = try #require(CrossOrigin.flaw(of: [origin]))
        #expect(flaw.contains("\"\(origin)\""), "\(flaw)")
    }

    @Test("one for all stands alone, and none is no list") func lists() throws {
        #expect(CrossOrigin.flaw(of: ["*"]) == nil)
        #expect(CrossOrigin.flaw(of: ["https://a.example", "https://b.example"]) == nil)
        #expect(try #require(CrossOrigin.flaw(of: ["https://a.example", "*"])).contains("alone"))
        #expect(try #require(CrossOrigin.flaw(of: ["https://a.example", ""])).contains("\"\""))
        #expect(CrossOrigin.flaw(of: []) != nil)
    }
}
