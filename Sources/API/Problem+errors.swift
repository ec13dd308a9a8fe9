import HTTP
import Inference
import Sessions

extension Problem {
    /// What each failure of an operation is to a client: the one table of statuses.
    init(_ error: InferenceError) {
        switch error {
        case .session(let error): self.init(error)
        case .stepMismatch(let expected, let step):
            self = Problem(
                .preconditionFailed, "step-mismatch",
                "The session is at step \(step), not at the expected step \(expected)."
            ).with("step", step)
        case .stateReplaced:
            self = Problem(
                .preconditionFailed, "state-changed",
                "The session has come to this step by another way than the stream's; nothing has moved.")
        case .takenOver:
            self = Problem(
                .conflict, "stream-taken-over",
                "Another request has gone on with this stream by Last-Event-ID, so it has ended here.")
        case .conditionFailed:
            self = Problem(
                .preconditionFailed, "state-changed",
                "The session's state is not what If-Match or If-None-Match says; nothing has moved.")
        case .nonFinite(let step):
            self = Problem(
                .unprocessableContent, "non-finite-state",
                "An input after step \(step) leads to NaN or infinity; the session has not moved."
            ).with("step", step)
        case .keyReused:
            self = Problem(
                .unprocessableContent, "idempotency-key-reused",
                "The Idempotency-Key was that of another request on this session; nothing has moved.")
        case .nothingAbsorbed:
            self = .invalid("The session has absorbed nothing yet, so there is nothing to go on from: give an input.")
        case .stepLimit(let step, let limit):
            self = Problem(
                .unprocessableContent, "step-limit",
                "The sequence is at step \(step), and this request could take it beyond \(limit), the largest step; "
                    + "nothing has moved."
            ).with("step", step).with("limit", limit)
        case .queueFull(let limit):
            self = Problem(.tooManyRequests, "queue-full", "\(limit) operations are waiting already.").retryable(limit)
        case .sessionQueueFull(let limit):
            self = Problem(
                .tooManyRequests, "session-queue-full", "\(limit) operations are waiting for this session already."
            ).retryable(limit)
        case .queueBytesFull(let limit):
            self = Problem(
                .tooManyRequests, "queue-full", "With this input more than \(limit) bytes of inputs would be waiting."
            ).retryable(limit)
        case .overloaded(let delay, let limit):
            self = Problem(
                .serviceUnavailable, "overloaded",
                "What is to be done already would delay this by more than \(limit / .milliseconds(1)) ms."
            ).retryable(after: (delay - limit) / .seconds(1))
        case .notServed(let model):
            self = Problem(.notFound, "model-not-found", "Model \"\(model)\" is served no more.")
        case .sessionNotServed(let id, let model):
            self = Problem(
                .conflict, "state-model-mismatch",
                "Session \"\(SessionID.local(id))\" is of model \"\(model)\", which is not served here.")
        case .deadlinePassed:
            self = Problem(.gatewayTimeout, "deadline-passed", "The time that X-Request-Timeout-Ms gives has passed.")
        case .draining: self = .draining
        case .cancelled: self = Problem(.clientGone, "client-gone", "The client has closed the connection.")
        }
    }

    init(_ error: SessionError) {
        switch error {
        case .unknown(let id):
            self = Problem(.notFound, "session-not-found", "There is no session \"\(SessionID.local(id))\".")
        case .gone(let id, let reason, let lastStep):
            let what =
                switch reason {
                case .damaged: "cannot be used: what the disk has of it is damaged"
                case .lost: "was lost when the server ended without order; on disk it stood at step \(lastStep)"
                case .deleted, .evicted, .expired: "was \(reason.rawValue) at step \(lastStep)"
                }
            self = Problem(.gone, "session-gone", "Session \"\(SessionID.local(id))\" \(what).")
                .with("reason", reason.rawValue).with("last_step", lastStep)
        case .exists(let id):
            self = Problem(.conflict, "session-exists", "There is a session \"\(SessionID.local(id))\" already.")
        case .otherModel(let id, let model):
            self = Problem(
                .conflict, "state-model-mismatch",
                "Session \"\(SessionID.local(id))\" is of model \"\(model)\", the request is for another; nothing has moved."
            )
        case .quotaFull(let quota):
            let limits = [
                quota.sessions.map { "\($0) sessions" }, quota.bytes.map { "\($0) bytes of their states" },
            ].compactMap { $0 }.joined(separator: " and ")
            self = Problem(.insufficientStorage, "key-quota-full", "This API key may have \(limits), and no more.")
        case .storeFull(let needed, let budget):
            self = Problem(
                .insufficientStorage, "session-store-full",
                "It takes \(needed) bytes more, and there is no room in the \(budget) bytes for sessions."
            ).with("limit", budget)
        case .namesFull(let sessions, let room, let budget):
            self = Problem(
                .insufficientStorage, "session-store-full",
                "There is memory for the names of \(room / SessionTable.overheadBytes) sessions, and there are "
                    + "\(sessions): the rest of the \(budget) bytes is kept so that each can be used. Delete sessions, "
                    + "let them end sooner with --session-idle, or give a larger --session-memory."
            ).with("limit", budget)
        case .checkpointExists(let name):
            self = Problem(.conflict, "checkpoint-exists", "The session has a checkpoint \"\(name)\" already.")
        case .noCheckpoint(let target, let steps):
            let what =
                switch target {
                case .step(let step): "state of step \(step)"
                case .checkpoint(let name): "checkpoint \"\(name)\""
                }
            let known = steps.isEmpty ? "none" : "states of steps " + steps.map(String.init).joined(separator: ", ")
            self = Problem(.notFound, "checkpoint-not-found", "The session keeps no \(what); it keeps \(known).")
        case .checkpointDamaged(let name):
            self = Problem(
                .gone, "checkpoint-damaged",
                "Checkpoint \"\(name)\" cannot be used: what the disk has of it is damaged. The session has not moved.")
        case .store(.full):
            self = Problem(
                .insufficientStorage, "state-dir-full",
                "There is no space left for sessions on disk; the session stands where it is there.")
        case .store(.otherModel(let misfit)):
            self = Problem(
                .conflict, "state-model-mismatch",
                misfit.sentence + " To make the session anew, create it with \"replace\": true.")
        case .store(.behind(let limit)):
            self = Problem(
                .serviceUnavailable, "state-dir-behind",
                "The disk is behind: more than \(limit) bytes of sessions wait to be written. Nothing has moved."
            ).with("limit", limit).retryable(after: 1)
        case .store:
            // What the system says of it names paths, and is in the log.
            self = Problem(
                .serviceUnavailable, "state-dir-failed",
                "Sessions on disk cannot be used; the session stands where it is there.")
        case .onDisk, .extraOnDisk, .makingRoom:
            self = Problem(.serviceUnavailable, "state-dir-busy", "Sessions are being moved to or from the disk.")
        case .replyTooLarge(let limit):
            self = Problem(
                .unprocessableContent, "reply-too-large",
                "The reply is larger than the \(limit) bytes that are kept for an Idempotency-Key; nothing has moved."
            ).with("limit", limit)
        case .tooManyCheckpoints(let limit):
            self = Problem(
                .unprocessableContent, "too-many-checkpoints", "A session has at most \(limit) named checkpoints."
            ).with("limit", limit)
        }
    }

    static let draining = Problem(.serviceUnavailable, "draining", "The server is shutting down.").retryable(after: 1)
    static let loading = Problem(.serviceUnavailable, "loading", "Models are being loaded.").retryable(after: 1)

    static func forbidden(_ served: ServedModel) -> Problem {
        Problem(.forbidden, "model-forbidden", "This API key may not use model \"\(served.id)\".")
    }

    static func rateLimited(_ key: APIKey, _ seconds: Double) -> Problem {
        let rate = key.limits.requestsPerSecond!
        return Problem(.tooManyRequests, "rate-limited", "This API key may make \(rate) requests a second.")
            .retryable(after: seconds)
    }

    private func retryable(_ limit: Int) -> Problem { with("limit", limit).retryable(after: 1) }

    /// Says when to come again: in whole seconds for `Retry-After` (RFC 9110 §10.2.3), and to the millisecond.
    func retryable(after seconds: Double) -> Problem {
        let milliseconds = Int((seconds * 1000).rounded(.up))
        var problem = with("retry_after_ms", milliseconds)
        problem.fields["retry-after"] = String(max(1, (milliseconds + 999) / 1000))
        return problem
    }
}

extension Misfit {
    /// Says it of a session.
    var sentence: String {
        guard let difference else { return "The session is of model \"\(model)\", which is not served here." }
        return "The session is of model \"\(model)\"; compared with that model as it is served, it has \(difference)."
    }
}
