extension ConformanceCase {
    private static func get(_ path: String, _ fields: String..., version: String = "1.1") -> String {
        (["GET /\(path) HTTP/\(version)", "Host: h"] + fields).map { $0 + "\r\n" }.joined() + "\r\n"
    }

    static let connections = [
        ConformanceCase(
            "requests one behind the other", "9112 §9.3.2", get("1") + get("2") + get("3"),
            #"GET ["1"]"#, #"GET ["2"]"#, #"GET ["3"]"#),
        ConformanceCase(
            "an empty line between requests", "9112 §2.2", get("1") + "\r\n" + get("2"),
            #"GET ["1"]"#, #"GET ["2"]"#),
        ConformanceCase(
            "a bad request behind a good one", "9112 §9.3.2", get("1") + "GET /2\r\n\r\n" + get("3"),
            #"GET ["1"]"#, "400 bad-request-line"),
        ConformanceCase(
            "half a request behind a whole one", "9112 §9.3.2", get("1") + "GET /2 HTTP", #"GET ["1"]"#, "waits"),
        ConformanceCase("close", "9112 §9.6", get("1", "Connection: close") + get("2"), #"GET ["1"] close"#),
        ConformanceCase(
            "close in capitals", "9110 §7.6.1", get("1", "Connection: CLOSE") + get("2"), #"GET ["1"] close"#),
        ConformanceCase(
            "close in a list", "9110 §7.6.1", get("1", "Connection: a , close,b") + get("2"), #"GET ["1"] close"#),
        ConformanceCase(
            "close in a second field", "9110 §7.6.1", get("1", "Connection: a", "Connection: close") + get("2"),
            #"GET ["1"] close"#),
        ConformanceCase(
            "close and keep-alive", "9112 §9.3", get("1", "Connection: keep-alive, close") + get("2"),
            #"GET ["1"] close"#),
        ConformanceCase(
            "a word that begins like close", "9110 §7.6.1", get("1", "Connection: closed") + get("2"),
            #"GET ["1"]"#, #"GET ["2"]"#),
        ConformanceCase(
            "empty options", "9110 §5.6.1", get("1", "Connection: ,, ,") + get("2"), #"GET ["1"]"#, #"GET ["2"]"#),
        ConformanceCase("HTTP/1.0", "9112 §9.3", get("1", version: "1.0") + get("2"), #"GET ["1"] close"#),
        ConformanceCase(
            "keep-alive in HTTP/1.0", "9112 §9.3",
            get("1", "Connection: Keep-Alive", version: "1.0") + get("2", version: "1.0"),
            #"GET ["1"]"#, #"GET ["2"] close"#),
        ConformanceCase(
            "an upgrade that is not taken", "9110 §7.8", get("1", "Connection: upgrade", "Upgrade: h2c") + get("2"),
            #"GET ["1"]"#, #"GET ["2"]"#),
        ConformanceCase(
            "an expectation without a body", "9110 §10.1.1", get("1", "Expect: 100-continue"), #"GET ["1"]"#),
        ConformanceCase(
            "an expectation of a body that is there", "9110 §10.1.1",
            "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", #"POST ["a"] "x""#),
        ConformanceCase(
            "an expectation in HTTP/1.0", "9110 §10.1.1",
            "POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", #"POST ["a"] "x" close"#),
        ConformanceCase("an unknown expectation", "9110 §10.1.1", get("1", "Expect: tea"), "417 expectation-failed"),
        ConformanceCase(
            "an unknown expectation beside the known", "9110 §10.1.1", get("1", "Expect: 100-continue, tea"),
            "417 expectation-failed"),
    ]
}
