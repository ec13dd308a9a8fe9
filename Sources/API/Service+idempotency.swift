import HTTP
import Inference
import JSON
import Recurrent

extension Service {
    /// The most characters of an `Idempotency-Key`.
    static let longestKey = 255

    /// What the request's `Idempotency-Key` asks for, if it has one: that it is done once however often it comes.
    func idempotency(
        of request: Request, _ body: [UInt8], reply: @escaping @Sendable (Completion) -> JSONWriter
    ) throws(Problem) -> Work.Idempotency? {
        guard let key = request.head.fields["idempotency-key"] else { return nil }
        guard (1...Self.longestKey).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .invalid("Idempotency-Key must be 1 to \(Self.longestKey) visible ASCII characters.")
        }
        return Work.Idempotency(key: key, digest: Self.digest(of: request, body)) { reply($0).document() }
    }

    /// Tells a request from others.
    static func digest(of request: Request, _ body: [UInt8]) -> String {
        let sha = SHA256()
        sha.update(request.head.target + "\n")
        sha.update(body)
        return sha.hexadecimal()
    }

    /// Refuses an `Idempotency-Key` where it would promise too much.
    func refuseIdempotency(of request: Request, _ reason: String) throws(Problem) {
        guard request.head.fields.contains("idempotency-key") else { return }
        throw .invalid("An Idempotency-Key cannot be given here: \(reason)")
    }
}

extension Response {
    /// The reply to a work: the one that is kept, if one is, else as `write` has it.
    init(_ completion: Completion, or write: (Completion) -> JSONWriter) {
        guard let reply = completion.reply else {
            self.init(json: write(completion))
            return
        }
        self.init(.ok, type: "application/json", reply)
        if completion.isReplayed { fields["idempotent-replayed"] = "true" }
    }
}
