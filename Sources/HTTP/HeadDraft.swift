/// The head under construction: what the lines read so far have said. Ranges count from the head's first byte.
struct HeadDraft {
    /// Bytes of the lines read so far.
    var end = 0
    var entries: [HeaderFields.Field] = []
    var skippedEmptyLine = false

    private var method = Method.get
    private var minorVersion = 1
    private var target = 0..<0
    private var path = 0..<0
    private var query = 0..<0
    /// The path in another form; nil where it is as it came.
    private var cleanPath: [UInt8]?
    private var hosts = 0
    private var contentLength: Int?
    private var codings = 0
    private var isChunked = false
    private var saysClose = false
    private var saysKeepAlive = false
    private var expectsContinue = false

    /// Whether the request line is still to come.
    var isEmpty: Bool { end == 0 }

    private static func bad(_ slug: String, _ detail: String) -> HTTPError { HTTPError(.badRequest, slug, detail) }

    /// RFC 9112 §3: `method SP request-target SP HTTP-version`.
    mutating func readRequestLine(_ bytes: [UInt8], _ line: Range<Int>, origin: Int) throws(HTTPError) {
        var malformed: HTTPError {
            Self.bad("bad-request-line", "The request line is not a method, a target and a version.")
        }
        guard let first = bytes[line].firstIndex(of: .space),
            let second = bytes[(first + 1)..<line.upperBound].firstIndex(of: .space),
            first > line.lowerBound, second > first + 1,
            bytes[line.lowerBound..<first].allSatisfy(\.isToken)  // RFC 9110 §9.1
        else { throw malformed }
        let version = (second + 1)..<line.upperBound
        guard version.count == 8, bytes[version].starts(with: "HTTP/".utf8), bytes[second + 6].isDigit,
            bytes[second + 7] == UInt8(ascii: "."), bytes[second + 8].isDigit
        else { throw malformed }  // RFC 9112 §2.3
        if bytes[second + 6] != UInt8(ascii: "1") {
            throw HTTPError(.versionNotSupported, "version-not-supported", "Only HTTP/1.1 and HTTP/1.0 are spoken.")
        }
        minorVersion = bytes[second + 8] == UInt8(ascii: "0") ? 0 : 1  // RFC 9110 §2.5: 1.x is read as 1.1
        guard let method = Method(bytes[line.lowerBound..<first]) else {
            throw HTTPError(.notImplemented, "method-not-implemented", "The method is not implemented.")
        }
        self.method = method
        try readTarget(bytes, (first + 1)..<second, origin: origin)
    }

    /// RFC 9112 §3.2: the origin form, the absolute form, and `*` for OPTIONS.
    private mutating func readTarget(_ bytes: [UInt8], _ range: Range<Int>, origin: Int) throws(HTTPError) {
        var malformed: HTTPError { Self.bad("bad-target", "The target is no path, or has a bad escape.") }
        guard bytes[range].allSatisfy({ $0.isVisible && $0 != UInt8(ascii: "#") }),
            PercentDecoding.isValid(bytes, range)
        else { throw malformed }
        var start = range.lowerBound
        for scheme in ["http://", "https://"]
        where range.count > scheme.utf8.count && bytes.spells(scheme, in: start..<(start + scheme.utf8.count)) {
            let authority = start + scheme.utf8.count
            start = bytes[authority..<range.upperBound].firstIndex { $0 == 47 || $0 == 63 } ?? range.upperBound
            if start == authority { throw malformed }  // RFC 9110 §4.2.1: an empty host is invalid
            break
        }
        let question = bytes[start..<range.upperBound].firstIndex(of: UInt8(ascii: "?")) ?? range.upperBound
        let isRooted = start < question && bytes[start] == UInt8(ascii: "/")
        let isWholeServer = method == .options && range.count == 1 && bytes[start] == UInt8(ascii: "*")
        let isBareAuthority = start > range.lowerBound && start == question
        guard isRooted || isWholeServer || isBareAuthority else { throw malformed }
        target = (range.lowerBound - origin)..<(range.upperBound - origin)
        path = (start - origin)..<(question - origin)
        query = (min(question + 1, range.upperBound) - origin)..<(range.upperBound - origin)
        if path.isEmpty { path = 0..<0 }
        if isRooted { cleanPath = DotSegments.removed(from: bytes, start..<question) }
    }

    /// RFC 9112 §5: `field-name ":" OWS field-value OWS`.
    mutating func readField(_ bytes: [UInt8], _ line: Range<Int>, origin: Int) throws(HTTPError) {
        if bytes[line.lowerBound].isBlank {
            throw Self.bad("folded-field", "A field goes on in the next line.")  // RFC 9112 §5.2
        }
        guard let colon = bytes[line].firstIndex(of: UInt8(ascii: ":")), colon > line.lowerBound,
            bytes[line.lowerBound..<colon].allSatisfy(\.isToken)
        else {
            // RFC 9112 §5.1: that includes a space before the colon.
            throw Self.bad("bad-field-name", "A field's name is empty or no token.")
        }
        guard bytes[(colon + 1)..<line.upperBound].allSatisfy(\.isFieldText) else {
            throw Self.bad("bad-field-value", "A field's value has a control character.")  // RFC 9110 §5.5
        }
        let name = line.lowerBound..<colon
        let value = bytes.trimmingBlanks((colon + 1)..<line.upperBound)
        try note(bytes, name, value)
        entries.append(
            HeaderFields.Field(
                name: (name.lowerBound - origin)..<(name.upperBound - origin),
                value: (value.lowerBound - origin)..<(value.upperBound - origin)))
    }

    /// Fields that the connection itself must understand.
    private mutating func note(_ bytes: [UInt8], _ name: Range<Int>, _ value: Range<Int>) throws(HTTPError) {
        switch name.count {
        case 4 where bytes.spells("host", in: name):
            hosts += 1
            guard hosts == 1, bytes[value].allSatisfy(\.isHostText) else {
                throw Self.bad("bad-host", "There is more than one Host, or it is no host.")  // RFC 9112 §3.2
            }
        case 6 where bytes.spells("expect", in: name):
            guard bytes.spells("100-continue", in: value) else {
                throw HTTPError(
                    .expectationFailed, "expectation-failed", "Only 100-continue can be expected.")  // RFC 9110 §10.1.1
            }
            expectsContinue = true
        case 10 where bytes.spells("connection", in: name):
            for option in bytes[value].split(separator: UInt8(ascii: ",")) {
                let option = bytes.trimmingBlanks(option.startIndex..<option.endIndex)
                if bytes.spells("close", in: option) { saysClose = true }
                if bytes.spells("keep-alive", in: option) { saysKeepAlive = true }
            }
        case 14 where bytes.spells("content-length", in: name):
            guard contentLength == nil, !value.isEmpty, bytes[value].allSatisfy(\.isDigit) else {
                throw Self.bad("bad-length", "Content-Length is repeated or no number.")  // RFC 9112 §6.3
            }
            let digits = bytes[value].drop { $0 == 48 }
            guard digits.count <= 18 else {
                throw HTTPError(.contentTooLarge, "body-too-large", "The body is larger than anything allowed.")
            }
            contentLength = digits.reduce(0) { $0 * 10 + Int($1 - 48) }
        case 17 where bytes.spells("transfer-encoding", in: name):
            codings += 1
            isChunked = bytes.spells("chunked", in: value)
        default: break
        }
    }

    /// What several lines together must fulfil; `whole` is the complete head.
    func finish(_ whole: ArraySlice<UInt8>) throws(HTTPError) -> RequestHead {
        if minorVersion == 1, hosts == 0 {
            throw Self.bad("no-host", "HTTP/1.1 requires a Host field.")  // RFC 9112 §3.2
        }
        if codings > 0 {
            if contentLength != nil {
                throw Self.bad("length-and-encoding", "Content-Length and Transfer-Encoding together.")  // §6.1
            }
            if minorVersion == 0 {
                throw Self.bad("encoding-in-1.0", "HTTP/1.0 has no Transfer-Encoding.")  // RFC 9112 §6.1
            }
            guard codings == 1, isChunked else {
                throw HTTPError(
                    .notImplemented, "encoding-not-implemented",
                    "The only transfer coding is chunked, once.")  // RFC 9112 §6.1
            }
        }
        var fields = HeaderFields()
        fields.bytes = Array(whole)
        fields.entries = entries
        var path = path
        if let cleanPath {
            path = fields.bytes.count..<(fields.bytes.count + cleanPath.count)
            fields.bytes += cleanPath
        }
        let framing: RequestHead.Framing =
            codings > 0 ? .chunked : contentLength.map { $0 == 0 ? .none : .length($0) } ?? .none
        return RequestHead(
            method: method, minorVersion: minorVersion, fields: fields, framing: framing,
            keepsAlive: !saysClose && (minorVersion == 1 || saysKeepAlive),
            expectsContinue: expectsContinue && minorVersion == 1 && framing != .none,
            targetRange: target, pathRange: path, queryRange: query)
    }
}
