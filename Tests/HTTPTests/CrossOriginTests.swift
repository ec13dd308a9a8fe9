import Testing

@testable import HTTP

@Suite("Origins of pages")
struct CrossOriginTests {
    @Test(
        "origins as browsers send them are taken",
        arguments: [
            "https://lab.example", "http://localhost:3000", "https://10.0.0.7:8443", "http://[::1]:8080",
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
            "https://[::1", "https://a]",
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
