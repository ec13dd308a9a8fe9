import EventLoop

/// Which pages of other origins may call, from a browser (the CORS protocol of the Fetch standard).
public struct CrossOrigin: Sendable {
    /// Origins like `https://lab.example`; nil for all.
    private let origins: Set<String>?

    /// - Parameter origins: origins like `https://lab.example:8443`, or `*` for all.
    public init(origins: [String]) { self.origins = origins.contains("*") ? nil : Set(origins) }

    /// What is wrong with a list of origins: an origin that no browser sends would never match. Nil where nothing is.
    public static func flaw(of origins: [String]) -> String? {
        if origins == ["*"] { return nil }
        if origins.isEmpty { return "there is no origin in it" }
        if origins.contains("*") { return "* lets all origins in: give it alone, or only the others" }
        for origin in origins {
            let normal = asBrowsersSend(origin)
            if normal == origin { continue }
            if let normal { return "browsers send no origin \"\(origin)\": write \(normal)" }
            return
                "\"\(origin)\" is no origin: write a scheme, a host and perhaps a port, as in https://lab.example:8443"
        }
        return nil
    }

    /// The origin that `text` means, in lower case, without what follows the authority and without the scheme's own port
    /// (RFC 6454 §6.2); nil where there is none.
    private static func asBrowsersSend(_ text: String) -> String? {
        let text = text.lowercased()
        guard let scheme = ["http://", "https://"].first(where: text.hasPrefix) else { return nil }
        let authority = text.dropFirst(scheme.count).prefix { !"/?#\\".contains($0) }
        let place = authority.split(separator: "@", omittingEmptySubsequences: false).last!
        let (host, written): (Substring, String)
        if place.hasPrefix("[") {
            guard let end = place.firstIndex(of: "]") else { return nil }
            host = place[...end]
            guard let groups = NumericAddress.v6(host.dropFirst().dropLast()) else { return nil }
            written = "[\(NumericAddress.text(v6: groups))]"
        } else {
            host = place.prefix { $0 != ":" }
            guard !host.isEmpty,
                host.utf8.allSatisfy({ $0.isDigit || (97...122).contains($0) || "-._".utf8.contains($0) })
            else { return nil }
            if NumericAddress.isV4(host) {
                guard let address = NumericAddress.v4(host) else { return nil }
                written = address
            } else {
                written = String(host)
            }
        }
        return port(place[host.endIndex...], of: scheme).map { scheme + written + $0 }
    }

    /// `:8443`; empty where it is the scheme's own, nil where it is none.
    private static func port(_ text: Substring, of scheme: String) -> String? {
        if text.isEmpty || text == ":" { return "" }
        guard text.first == ":", text.dropFirst().utf8.allSatisfy(\.isDigit), let number = UInt16(text.dropFirst())
        else {
            return nil
        }
        return number == (scheme == "http://" ? 80 : 443) ? "" : ":\(number)"
    }

    /// The reply to a browser that asks beforehand what it may send; nil where that is not what is asked.
    func preflight(_ head: RequestHead) -> Response? {
        guard head.method == .options, let origin = head.fields["origin"], allows(origin),
            head.fields.contains("access-control-request-method")
        else { return nil }
        var response = Response(.noContent)
        response.fields["access-control-allow-methods"] = Method.allCases.map(\.rawValue).joined(separator: ", ")
        // By name: a browser takes * for Authorization in no case.
        if let asked = head.fields["access-control-request-headers"] {
            response.fields["access-control-allow-headers"] = asked
        }
        response.fields["access-control-max-age"] = "7200"
        return response
    }

    /// Lets a page of an allowed origin see the reply.
    func decorate(_ response: inout Response, for head: RequestHead) {
        if origins != nil { response.fields.append("vary", "origin") }
        guard let origin = head.fields["origin"], allows(origin) else { return }
        response.fields["access-control-allow-origin"] = origins == nil ? "*" : origin
        response.fields["access-control-expose-headers"] =
            "x-request-id, location, etag, retry-after, idempotent-replayed, www-authenticate"
    }

    private func allows(_ origin: String) -> Bool { origins?.contains(origin) ?? true }
}
