/// Which pages of other origins may call, from a browser (the CORS protocol of the Fetch standard).
public struct CrossOrigin: Sendable {
    /// Origins like `https://lab.example`; nil for all.
    private let origins: Set<String>?

    /// - Parameter origins: origins like `https://lab.example:8443`, or `*` for all.
    public init(origins: [String]) { self.origins = origins.contains("*") ? nil : Set(origins) }

    /// Whether `text` is an origin as browsers send it.
    public static func isOrigin(_ text: String) -> Bool {
        if text == "*" { return true }
        guard let scheme = ["http://", "https://"].first(where: text.hasPrefix) else { return false }
        let authority = text.utf8.dropFirst(scheme.utf8.count)
        return !authority.isEmpty && authority.allSatisfy(\.isHostText)
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
