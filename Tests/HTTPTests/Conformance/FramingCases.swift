extension ConformanceCase {
    private static let next = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
    private static let (badLength, badChunk, both) = ("400 bad-length", "400 bad-chunk", "400 length-and-encoding")
    private static let noCoding = "501 encoding-not-implemented"

    private static func post(_ fields: String..., body: String = "", version: String = "1.1") -> String {
        (["POST /a HTTP/\(version)", "Host: h"] + fields).map { $0 + "\r\n" }.joined() + "\r\n" + body
    }

    static let lengths = [
        ConformanceCase("a body", "9112 §6.2", post("Content-Length: 3", body: "abc"), #"POST ["a"] "abc""#),
        ConformanceCase(
            "a body and the next request", "9112 §9.3.2", post("Content-Length: 3", body: "abc" + next),
            #"POST ["a"] "abc""#, #"GET ["next"]"#),
        ConformanceCase(
            "an empty body", "9112 §6.3", post("Content-Length: 0", body: next), #"POST ["a"]"#, #"GET ["next"]"#),
        ConformanceCase("leading zeros", "9110 §8.6", post("Content-Length: 003", body: "abc"), #"POST ["a"] "abc""#),
        ConformanceCase(
            "a body of a GET", "9110 §9.3.1", "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
            #"GET ["a"] "x""#),
        ConformanceCase(
            "a body that looks like a request", "9112 §6.3",
            post("Content-Length: \(next.utf8.count)", body: next), "POST [\"a\"] \(next.debugDescription)"),
        ConformanceCase("half a body", "9112 §8", post("Content-Length: 3", body: "ab"), "waits"),
        ConformanceCase("a plus sign", "9110 §8.6", post("Content-Length: +3", body: "abc"), badLength),
        ConformanceCase("a minus sign", "9110 §8.6", post("Content-Length: -3"), badLength),
        ConformanceCase("a fraction", "9110 §8.6", post("Content-Length: 3.0"), badLength),
        ConformanceCase("hexadecimal", "9110 §8.6", post("Content-Length: 0x3"), badLength),
        ConformanceCase("an exponent", "9110 §8.6", post("Content-Length: 3e0"), badLength),
        ConformanceCase("no number", "9110 §8.6", post("Content-Length: abc"), badLength),
        ConformanceCase("nothing", "9110 §8.6", post("Content-Length:"), badLength),
        ConformanceCase("a blank within", "9110 §8.6", post("Content-Length: 1 2"), badLength),
        ConformanceCase("digits of another script", "9110 §8.6", post("Content-Length: \u{663}"), badLength),
        ConformanceCase("a list of equals", "9112 §6.3", post("Content-Length: 3, 3"), badLength),
        ConformanceCase("a list", "9112 §6.3", post("Content-Length: 3, 4"), badLength),
        ConformanceCase("equal lengths", "9112 §6.3", post("Content-Length: 3", "Content-Length: 3"), badLength),
        ConformanceCase("two lengths", "9112 §6.3", post("Content-Length: 3", "Content-Length: 4"), badLength),
        ConformanceCase(
            "more than 64 bits", "9110 §8.6", post("Content-Length: 18446744073709551619"), "413 body-too-large"),
        ConformanceCase("a space before the colon", "9112 §5.1", post("Content-Length : 3"), "400 bad-field-name"),
    ]

    static let codings = [
        ConformanceCase(
            "chunked in any case", "9112 §6.1", post("Transfer-Encoding: cHUNked", body: "0\r\n\r\n"), #"POST ["a"]"#),
        ConformanceCase(
            "a length and a coding", "9112 §6.3", post("Content-Length: 3", "Transfer-Encoding: chunked"), both),
        ConformanceCase(
            "a coding and a length", "9112 §6.3", post("Transfer-Encoding: chunked", "Content-Length: 3"), both),
        ConformanceCase(
            "a length of zero and a coding", "9112 §6.3", post("Content-Length: 0", "Transfer-Encoding: chunked"), both),
        ConformanceCase(
            "a length and an unknown coding", "9112 §6.3", post("Content-Length: 3", "Transfer-Encoding: x"), both),
        ConformanceCase("an unknown coding", "9112 §6.1", post("Transfer-Encoding: gzip"), noCoding),
        ConformanceCase("chunked behind another", "9112 §6.1", post("Transfer-Encoding: gzip, chunked"), noCoding),
        ConformanceCase("chunked before another", "9112 §6.3", post("Transfer-Encoding: chunked, gzip"), noCoding),
        ConformanceCase("chunked twice in a list", "9112 §7.1", post("Transfer-Encoding: chunked, chunked"), noCoding),
        ConformanceCase(
            "chunked twice", "9112 §7.1", post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), noCoding),
        ConformanceCase(
            "chunked and an empty one", "9112 §6.1", post("Transfer-Encoding: chunked", "Transfer-Encoding:"), noCoding),
        ConformanceCase("no coding", "9112 §6.1", post("Transfer-Encoding:"), noCoding),
        ConformanceCase("identity", "9112 §7", post("Transfer-Encoding: identity"), noCoding),
        ConformanceCase("chunked in quotes", "9112 §6.1", post("Transfer-Encoding: \"chunked\""), noCoding),
        ConformanceCase("chunked with a parameter", "9112 §7", post("Transfer-Encoding: chunked;q=1"), noCoding),
        ConformanceCase(
            "chunked with a vertical tab", "9110 §5.5", post("Transfer-Encoding: \u{b}chunked"), "400 bad-field-value"),
        ConformanceCase(
            "chunked and a space before the colon", "9112 §5.1", post("Transfer-Encoding : chunked"),
            "400 bad-field-name"),
        ConformanceCase(
            "chunked in HTTP/1.0", "9112 §6.1", post("Transfer-Encoding: chunked", version: "1.0"),
            "400 encoding-in-1.0"),
    ]

    private static func chunked(_ name: String, _ source: String, _ body: String, _ outcome: String...)
        -> ConformanceCase
    {
        ConformanceCase(name, source, bytes: post("Transfer-Encoding: chunked", body: body), outcome)
    }

    private init(_ name: String, _ source: String, bytes: String, _ outcome: [String]) {
        (self.name, self.source, self.bytes, self.outcome) = (name, source, Array(bytes.utf8), outcome)
    }

    static let chunks = [
        chunked("a chunk", "9112 §7.1", "3\r\nabc\r\n0\r\n\r\n", #"POST ["a"] "abc""#),
        chunked(
            "chunks and the next request", "9112 §7.1", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" + next,
            #"POST ["a"] "abcde""#, #"GET ["next"]"#),
        chunked("no chunks", "9112 §7.1", "0\r\n\r\n" + next, #"POST ["a"]"#, #"GET ["next"]"#),
        chunked(
            "sizes in both cases with zeros", "9112 §7.1", "00a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n",
            #"POST ["a"] "01234567890123456789""#),
        chunked("line ends in a chunk", "9112 §7.1", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", #"POST ["a"] "\r\n0\r\n\r\n""#),
        chunked("an extension", "9112 §7.1.1", "3;a\r\nabc\r\n0;b=c\r\n\r\n", #"POST ["a"] "abc""#),
        chunked("an extension in quotes", "9112 §7.1.1", "3;a=\"b;c\"\r\nabc\r\n0\r\n\r\n", #"POST ["a"] "abc""#),
        chunked("blanks around an extension", "9112 §7.1.1", "3 \t; a = b\r\nabc\r\n0\r\n\r\n", #"POST ["a"] "abc""#),
        chunked(
            "a trailer", "9112 §7.1.2", "3\r\nabc\r\n0\r\nX: a\r\nY:\r\n\r\n" + next, #"POST ["a"] "abc""#,
            #"GET ["next"]"#),
        chunked(
            "framing in a trailer", "9110 §6.5.1", "0\r\nContent-Length: 9\r\nHost: x\r\n\r\n" + next, #"POST ["a"]"#,
            #"GET ["next"]"#),
        chunked("half a chunk", "9112 §8", "3\r\nab", "waits"),
        chunked("no last chunk", "9112 §8", "3\r\nabc\r\n", "waits"),
        chunked("half a last chunk", "9112 §8", "3\r\nabc\r\n0\r\n", "waits"),
        chunked("no size", "9112 §7.1", "\r\nabc", badChunk),
        chunked("a size of no digits", "9112 §7.1", "xyz\r\n", badChunk),
        chunked("a negative size", "9112 §7.1", "-3\r\nabc\r\n", badChunk),
        chunked("a size with a plus sign", "9112 §7.1", "+3\r\nabc\r\n", badChunk),
        chunked("a size in C notation", "9112 §7.1", "0x3\r\nabc\r\n", badChunk),
        chunked("a size with an underscore", "9112 §7.1", "1_0\r\n", badChunk),
        chunked("a blank before a size", "9112 §7.1", " 3\r\nabc\r\n", badChunk),
        chunked("a blank behind a size", "9112 §7.1", "3 \r\nabc\r\n", badChunk),
        chunked("a size beyond 64 bits", "9112 §7.1", "10000000000000003\r\nabc\r\n", badChunk),
        chunked("a size of many zeros", "9112 §7.1", "0000000000000003\r\nabc\r\n", badChunk),
        chunked("a size that ends in LF", "9112 §2.2", "3\nabc\r\n", badChunk),
        chunked("a size that ends in CR", "9112 §2.2", "3\rabc\r\n", badChunk),
        chunked("a chunk that ends in LF", "9112 §7.1", "3\r\nabc\n0\r\n\r\n", badChunk),
        chunked("a chunk longer than its size", "9112 §7.1", "3\r\nabcd\r\n", badChunk),
        chunked("a chunk shorter than its size", "9112 §7.1", "4\r\nabc\r\n0\r\n\r\n", badChunk),
        chunked("a control character in an extension", "9112 §7.1.1", "3;a\u{1}\r\nabc\r\n", badChunk),
        chunked("LF in an extension", "9112 §7.1.1", "3;a\nabc\r\n", badChunk),
        chunked("CR in an extension", "9112 §7.1.1", "3;a\rb\r\nabc\r\n", badChunk),
        chunked("extensions that are too large", "9112 §7.1.1", "3;" + String(repeating: "a", count: 129), badChunk),
        chunked("a last chunk that ends in LF", "9112 §7.1", "0\r\n\n", badChunk),
        chunked("a trailer without a name", "9112 §7.1.2", "0\r\n: a\r\n\r\n", badChunk),
        chunked("a trailer without a colon", "9112 §7.1.2", "0\r\nGET /next HTTP/1.1\r\n\r\n", badChunk),
        chunked("a folded trailer", "9112 §5.2", "0\r\nX: a\r\n b\r\n\r\n", badChunk),
        chunked("a space before a trailer's colon", "9112 §5.1", "0\r\nX : a\r\n\r\n", badChunk),
        chunked("a trailer that ends in LF", "9112 §2.2", "0\r\nX: a\n\r\n", badChunk),
        chunked(
            "trailers that are too large", "6585 §5", "0\r\nX: " + String(repeating: "a", count: 128),
            "431 trailer-too-large"),
    ]
}
