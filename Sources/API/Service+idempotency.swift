import HTTP
import Inference
import JSON
import Recurrent

extension ServiceRoute {
    /// What comes of an `Idempotency-Key` on a route. None ignores one where that could do something twice.
    enum Keys: Sendable {
        /// The first reply is kept with a session and given again; what the handler cannot keep it refuses.
        case kept
        /// The route moves nothing, so that a request may come as often as it likes.
        case needless
        /// A key would promise too much, for that reason.
        case refused(String)

        /// Of routes that do not say otherwise. A DELETE is idempotent by itself (RFC 9110 §9.2.2), but cannot be kept
        /// with what it takes away.
        static func usual(_ method: Method) -> Keys {
            switch method {
            case .get, .head: .needless
            case .delete: .refused("a DELETE may come again without one, and finds then that nothing is there.")
            default: .refused("nothing is kept of this request.")
            }
        }
    }

    /// Refuses a key that could not be kept.
    func requireNoKey(_ request: Request) throws(Problem) {
        if case .refused(let reason) = keys { try request.refuseKey(reason) }
    }
}

extension Service {
    /// The most characters of an `Idempotency-Key`.
    static let longestKey = 255

    /// What the request's `Idempotency-Key` asks for, if it has one: that it is done once however often it comes.
    func idempotency(
        of request: Request, _ body: [UInt8], reply: @escaping @Sendable (Completion) -> Response
    ) throws(Problem) -> Work.Idempotency? {
        guard let key = request.head.fields["idempotency-key"] else { return nil }
        guard request.head.fields.values(of: "idempotency-key").count == 1 else {
            throw .invalid("A request may have one Idempotency-Key, not several.")
        }
        guard (1...Self.longestKey).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .invalid("Idempotency-Key must be 1 to \(Self.longestKey) visible ASCII characters.")
        }
        return Work.Idempotency(key: key, digest: Self.digest(of: request, body)) { reply($0).kept }
    }

    /// Fields by which requests of one target and body differ in what they ask for.
    private static let telling = ["if-match", "if-none-match", "inference-header-content-length"]

    /// Tells a request from others.
    static func digest(of request: Request, _ body: [UInt8]) -> String {
        let sha = SHA256()
        let head = request.head
        sha.update("\(head.method.rawValue) \(head.target)\n")
        for name in telling { for value in head.fields.values(of: name) { sha.update("\(name): \(value)\n") } }
        sha.update("\n")
        sha.update(body)
        return sha.hexadecimal()
    }
}

extension Request {
    /// Refuses an `Idempotency-Key` where it would promise too much.
    func refuseKey(_ reason: String) throws(Problem) {
        guard head.fields.contains("idempotency-key") else { return }
        throw .invalid("An Idempotency-Key cannot be given here: \(reason)")
    }
}

extension Response {
    /// The reply to a work: the one that is kept, if one is, else as `make` has it.
    init(_ completion: Completion, or make: (Completion) -> Response) throws(Problem) {
        guard let reply = completion.reply else {
            self = make(completion)
            return
        }
        guard let kept = Response(kept: reply) else {
            throw Problem(
                .serviceUnavailable, "state-dir-failed",
                "The reply that was kept for this Idempotency-Key is damaged; nothing has moved.")
        }
        self = kept
        if completion.isReplayed { fields["idempotent-replayed"] = "true" }
    }

    /// The reply as it is kept for the request to come again. One of JSON with status 200 is its content. Others begin
    /// with a byte 0, which begins no JSON; then come the status (2 bytes, the most significant first), the number of
    /// fields (1), each field's name and value behind their lengths (2 each), and the content.
    var kept: [UInt8] {
        let content: [UInt8] = if case .bytes(let bytes) = body { bytes } else { [] }
        let pairs = fields.pairs
        if status == .ok, pairs.count == 1, fields["content-type"] == "application/json", content.first != 0 {
            return content
        }
        var bytes: [UInt8] = [0]
        func append(_ number: Int) { bytes += [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)] }
        append(status.code)
        bytes.append(UInt8(pairs.count))
        for (name, value) in pairs {
            for text in [name, value] {
                append(text.utf8.count)
                bytes += Array(text.utf8)
            }
        }
        return bytes + content
    }

    /// The reply that `kept` was; nil where the bytes are none.
    init?(kept bytes: [UInt8]) {
        guard bytes.first == 0 else {
            self.init(.ok, type: "application/json", bytes)
            return
        }
        var rest = bytes.dropFirst()
        func take(_ count: Int) -> ArraySlice<UInt8>? {
            guard count <= rest.count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func number() -> Int? { take(2)?.reduce(0) { $0 << 8 | Int($1) } }
        func text() -> String? { number().flatMap(take).map { String(decoding: $0, as: UTF8.self) } }
        guard let code = number(), let status = [HTTPStatus.ok, .created].first(where: { $0.code == code }),
            let count = take(1)?.first
        else { return nil }
        var fields = HeaderFields()
        for _ in 0..<count {
            guard let name = text(), let value = text(), !name.isEmpty,
                name.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
                )
            else { return nil }
            fields.append(name, value)
        }
        self.init(status, fields: fields, body: .bytes(Array(rest)))
    }
}
