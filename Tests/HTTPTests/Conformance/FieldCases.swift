extension ConformanceCase {
    private static let (badName, badValue) = ("400 bad-field-name", "400 bad-field-value")
    private static let get = "GET / HTTP/1.1\r\n"

    static let fields = [
        ConformanceCase("a field", "9112 §5", "X: a", to: #"GET [""] ["X: a"]"#),
        ConformanceCase("no blank behind the colon", "9112 §5.1", "X:a", to: #"GET [""] ["X: a"]"#),
        ConformanceCase("blanks around a value", "9112 §5.1", "X: \t a b\t ", to: #"GET [""] ["X: a b"]"#),
        ConformanceCase("an empty value", "9110 §5.5", "X:", to: #"GET [""] ["X: "]"#),
        ConformanceCase("nothing but blanks", "9110 §5.5", "X: \t ", to: #"GET [""] ["X: "]"#),
        ConformanceCase("colons in a value", "9110 §5.5", "X: a:b: c", to: #"GET [""] ["X: a:b: c"]"#),
        ConformanceCase("a tab in a value", "9110 §5.5", "X: a\tb", to: #"GET [""] ["X: a\tb"]"#),
        ConformanceCase("a value beyond ASCII", "9110 §5.5", "X: \u{e9}", to: #"GET [""] ["X: é"]"#),
        ConformanceCase("a field twice", "9110 §5.3", "X: a", "x: b", to: #"GET [""] ["X: a", "x: b"]"#),
        ConformanceCase(
            "an odd name", "9110 §5.6.2", "X!#$%&'*+-.^_`|~9: a", to: #"GET [""] ["X!#$%&\'*+-.^_`|~9: a"]"#),
        ConformanceCase("a space before the colon", "9112 §5.1", "X : a", to: badName),
        ConformanceCase("a tab before the colon", "9112 §5.1", "X\t: a", to: badName),
        ConformanceCase("a name with a space", "9110 §5.1", "X Y: a", to: badName),
        ConformanceCase("a name with a parenthesis", "9110 §5.1", "X(Y: a", to: badName),
        ConformanceCase("a name beyond ASCII", "9110 §5.1", "X\u{e9}: a", to: badName),
        ConformanceCase("a name with a control character", "9110 §5.1", "X\u{1}: a", to: badName),
        ConformanceCase("an empty name", "9112 §5", ": a", to: badName),
        ConformanceCase("no colon", "9112 §5", "X", to: badName),
        ConformanceCase("a folded field", "9112 §5.2", "X: a", " b", to: "400 folded-field"),
        ConformanceCase("a field folded with a tab", "9112 §5.2", "X: a", "\tb", to: "400 folded-field"),
        ConformanceCase("a folded first field", "9112 §2.2", get + " Host: h\r\n\r\n", "400 folded-field"),
        ConformanceCase("a line of blanks", "9112 §5.2", "X: a", "  ", to: "400 folded-field"),
        ConformanceCase("a bare CR in a value", "9112 §2.2", "X: a\rY: b", to: badValue),
        ConformanceCase("two CRs at the end", "9112 §2.2", "X: a\r", to: badValue),
        ConformanceCase("a CR in a name", "9112 §2.2", "X\rY: b", to: badName),
        ConformanceCase("NUL in a value", "9110 §5.5", "X: a\u{0}b", to: badValue),
        ConformanceCase("DEL in a value", "9110 §5.5", "X: \u{7f}", to: badValue),
        ConformanceCase("ESC in a value", "9110 §5.5", "X: \u{1b}[2J", to: badValue),
        ConformanceCase("a field that ends in LF", "9112 §2.2", get + "Host: h\nX: a\r\n\r\n", "400 bad-line-end"),
        ConformanceCase("a head that ends in LF", "9112 §2.2", get + "Host: h\r\n\n", "400 bad-line-end"),
        ConformanceCase("a head that ends in CR", "9112 §2.2", get + "Host: h\r\n\rX: a\r\n", "400 bad-field-name"),
        ConformanceCase("no host", "9112 §3.2", get + "\r\n", "400 no-host"),
        ConformanceCase("no host in HTTP/1.0", "9112 §3.2", "GET / HTTP/1.0\r\n\r\n", #"GET [""] close"#),
        ConformanceCase(
            "no host with the absolute form", "9112 §3.2.2", "GET http://h/ HTTP/1.1\r\n\r\n", "400 no-host"),
        ConformanceCase("an empty host", "9112 §3.2", get + "Host:\r\n\r\n", #"GET [""]"#),
        ConformanceCase("a host and a port", "9110 §7.2", get + "hOST: [::1]:80\r\n\r\n", #"GET [""]"#),
        ConformanceCase("the host twice", "9112 §3.2", "Host: h", to: "400 bad-host"),
        ConformanceCase("two hosts", "9112 §3.2", get + "Host: a, b\r\n\r\n", "400 bad-host"),
        ConformanceCase("a host with a path", "9112 §3.2", get + "Host: a/b\r\n\r\n", "400 bad-host"),
        ConformanceCase("a host with a user", "9112 §3.2", get + "Host: a@b\r\n\r\n", "400 bad-host"),
        ConformanceCase("a host with a space", "9112 §3.2", get + "Host: a b\r\n\r\n", "400 bad-host"),
        ConformanceCase(
            "as many fields as may be", "6585 §5",
            get + "Host: h\r\n" + String(repeating: "Y: b\r\n", count: 19) + "\r\n", #"GET [""]"#),
        ConformanceCase(
            "a field too many", "6585 §5",
            get + "Host: h\r\n" + String(repeating: "Y: b\r\n", count: 20) + "\r\n", "431 too-many-fields"),
        ConformanceCase(
            "a head that is too large", "6585 §5",
            get + "Host: h\r\nY: " + String(repeating: "b", count: 512), "431 head-too-large"),
    ]
}
