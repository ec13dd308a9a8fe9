/// Content codings (RFC 9110 §8.4): gzip, for what is large, where the client asks for it or has done it.
public enum ContentCoding {
    /// Contents below this many bytes are sent as they are.
    static let least = 8 << 10

    /// The content that gzip has made `bytes` of.
    /// - Throws: 400 where it is broken, 413 where more than `limit` bytes come of it.
    static func decode(_ bytes: [UInt8], limit: Int) throws(HTTPError) -> [UInt8] {
        do throws(Gzip.Failure) {
            return try Gzip.expand(bytes, limit: limit)
        } catch {
            switch error {
            case .malformed: throw HTTPError(.badRequest, "bad-gzip", "The body is not what gzip makes.")
            case .tooLarge:
                throw HTTPError(
                    .contentTooLarge, "body-too-large", "The body without gzip is larger than \(limit) bytes.",
                    limit: limit)
            }
        }
    }

    /// Whether the request's content is coded; by gzip then.
    /// - Throws: 415 for a coding that is not known, with `Accept-Encoding` (RFC 9110 §12.5.3).
    public static func isGzip(_ head: RequestHead) throws(HTTPError) -> Bool {
        let bytes = head.fields.bytes
        guard let range = head.fields.range(of: "content-encoding"), !bytes.spells("identity", in: range) else {
            return false
        }
        let isKnown = bytes.spells("gzip", in: range) || bytes.spells("x-gzip", in: range)
        guard isKnown, head.fields.values(of: "content-encoding").count == 1 else {
            throw HTTPError(
                .unsupportedMediaType, "coding-not-supported", "The only content coding of a request is gzip, once.",
                fields: ["accept-encoding": "gzip"])
        }
        return true
    }

    /// Compresses the content of a reply that is worth it, if the client accepts that.
    static func encode(_ response: inout Response, for head: RequestHead) {
        guard case .bytes(let bytes) = response.body, bytes.count >= least, isText(response.fields),
            response.fields.range(of: "content-encoding") == nil
        else { return }
        response.fields.append("vary", "accept-encoding")
        guard head.fields.range(of: "accept-encoding") != nil,
            Preference(head.fields.values(of: "accept-encoding")).quality(of: "gzip", orElse: "*") > 0
        else { return }
        response.body = .bytes(Gzip.compress(bytes))
        response.fields.append("content-encoding", "gzip")
    }

    /// States are as good as random.
    private static func isText(_ fields: HeaderFields) -> Bool {
        guard let type = fields["content-type"] else { return false }
        return type.hasPrefix("application/json") || type.hasPrefix("application/problem+json")
            || type.hasPrefix("application/yaml") || type.hasPrefix("text/")
    }
}
