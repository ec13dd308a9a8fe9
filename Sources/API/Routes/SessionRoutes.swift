import HTTP
import Inference
import JSON
import Kernels
import Recurrent
import Sessions

extension Service {
    /// `POST /v1/sessions`: makes a session, of an input if there is one.
    @Sendable func createSession(_ request: Request) async throws -> Response {
        let known =
            [
                "model", "id", "score", "scan", "cache", "idle_seconds", "lifetime_seconds", "recent_states",
                "durability", "replace",
            ]
            + Fields.input
            + OutputOptions.fields
        let body = try await request.body()
        let fields = try Fields(bytes: body, allowed: known)
        let served = try model(fields.required("model"), request)
        let id = try fields.string("id")
        if id == nil { try request.refuseKey("it is kept with the session of that name, so give an id.") }
        if let id { try checkSessionID(id, "id") }
        let replaces = try fields.bool("replace")
        guard id != nil || !replaces else { throw Problem.invalid("replace needs the id of what is to be replaced.") }
        if replaces { try request.refuseKey("sent again, it would replace what has moved since.") }
        let options = try OutputOptions(fields, served)
        let input = try fields.input(for: served)
        var work = request.work(served, .create(id: id.map(request.scoped)), input ?? .empty)
        work.replaces = replaces
        work.outputs = input == nil ? .none : .last
        work.score = try fields.score(served, input)
        work.scan = try fields.scan(served)
        work.usesCache = try fields.usesCache()
        work.policy = SessionPolicy(
            idle: try fields.seconds("idle_seconds") ?? policy.idle,
            total: try fields.seconds("lifetime_seconds") ?? policy.total,
            recentStates: try fields.int("recent_states", in: 0...SessionPolicy.mostRecentStates) ?? 0,
            durability: try fields.durability(sessions) ?? policy.durability)
        work.deadline = try deadline(of: request)
        let hasInput = input != nil
        let reply = { @Sendable [work] (completion: Completion) in
            var json = JSONWriter()
            json.beginObject()
            Self.writeMembers(of: completion.session!, to: &json)
            options.writeOutputs(completion, work, served, to: &json)
            if hasInput {
                json.field("scan", work.scan.rawValue)
                Self.writeUsage(completion, to: &json)
            }
            json.endObject()
            var response = Response(.created, json: json)
            response.fields["location"] = "/v1/sessions/" + completion.session!.name
            return response
        }
        work.idempotency = try idempotency(of: request, body, reply: reply)
        return try Response(try await run(work), or: reply)
    }

    /// `GET /v1/sessions?limit&after`
    @Sendable func listSessions(_ request: Request) async throws -> Response {
        var limit = 100
        if let text = request.head.query("limit") {
            guard let number = Int(text), (1...1000).contains(number) else {
                throw Problem.invalid("limit must be a whole number from 1 to 1000.")
            }
            limit = number
        }
        let page = try asked { () throws(SessionError) in
            try sessions.list(
                limit: limit, after: request.head.query("after").map(request.scoped), owner: request.owner)
        }
        var json = JSONWriter()
        json.beginObject()
        let models = models
        json.list(page.records) { record, json in Self.write(record, obstacle(record, models), to: &json) }
        json.field("has_more", page.more)
        json.key("last_id")
        if let last = page.records.last { json.string(last.name) } else { json.null() }
        json.endObject()
        return Response(json: json)
    }

    /// `GET /v1/sessions/{id}`
    @Sendable func getSession(_ request: Request) async throws -> Response {
        let record = try asked { () throws(SessionError) in
            try sessions.record(request.scoped(request.parameters["id"]))
        }
        try await durable(record.commit)
        var json = JSONWriter()
        Self.write(record, obstacle(record, models), to: &json)
        return Response(json: json)
    }

    /// Why the session cannot go on here, in words; nil where it can.
    private func obstacle(_ record: SessionRecord, _ models: [ServedModel]) -> String? {
        guard models.contains(where: { $0.id == record.model }) else {
            return Misfit(model: record.model, difference: nil).sentence
        }
        if record.isDamaged {
            return
                "What the disk has of its state is damaged. To go on with it, rewind it to step 0 or to a checkpoint, "
                + "or create it with \"replace\": true."
        }
        return sessions.store?.misfit(record)?.sentence
    }

    /// `DELETE /v1/sessions/{id}`: 202 where the disk does not take that yet; the session is gone in both cases.
    @Sendable func deleteSession(_ request: Request) async throws -> Response {
        let id = request.scoped(request.parameters["id"])
        let commit = try asked { () throws(SessionError) in try sessions.delete(id) }
        do throws(StoreError) {
            try await sessions.store?.durable(commit)
            return Response(.noContent)
        } catch {
            var json = JSONWriter()
            json.beginObject()
            json.field("id", request.parameters["id"])
            json.field("object", "session")
            json.field("deleted", true)
            json.field("durable", false)
            json.endObject()
            return Response(.accepted, json: json)
        }
    }

    /// Waits until a commit of the store is on disk.
    func durable(_ commit: UInt64) async throws(Problem) {
        do {
            try await sessions.store?.durable(commit)
        } catch {
            throw Problem(.store(error))
        }
    }

    func checkSessionID(_ id: String, _ name: String) throws(Problem) {
        guard SessionID.isValid(id) else { throw .invalid("\(name) must be \(SessionID.rule).") }
    }

    /// - Parameter obstacle: why the session cannot go on here; nil where it can.
    static func write(_ record: SessionRecord, _ obstacle: String? = nil, to json: inout JSONWriter) {
        json.beginObject()
        writeMembers(of: record, obstacle, to: &json)
        json.endObject()
    }

    static func writeMembers(of record: SessionRecord, _ obstacle: String? = nil, to json: inout JSONWriter) {
        json.field("id", record.name)
        json.field("object", "session")
        json.field("model", record.model)
        json.field("step", record.step)
        json.field("state_bytes", record.stateBytes)
        json.field("created_at", timestamp(record.createdAt))
        json.field("last_used_at", timestamp(record.lastUsedAt))
        json.field("recent_states", record.policy.recentStates)
        json.field("durability", record.policy.durability.rawValue)
        json.field("tier", record.isInMemory ? "memory" : "disk")
        json.field("usable", obstacle == nil)
        if let obstacle { json.field("obstacle", obstacle) }
        json.key("expires_at")
        if record.expiresAt < .infinity { json.string(timestamp(record.expiresAt)) } else { json.null() }
    }
}

extension Fields {
    /// A time that a session may have; infinite for 0.
    fileprivate func seconds(_ name: String) throws(Problem) -> Double? {
        guard let field = self[name] else { return nil }
        guard let seconds = field.double, seconds == 0 || (0.001...1e9).contains(seconds) else {
            throw .invalid("\(place)\(name) must be a number of seconds from 0.001 to 1000000000, or 0 for no limit.")
        }
        return seconds > 0 ? seconds : .infinity
    }

    /// When moves of a session are to be on disk.
    fileprivate func durability(_ sessions: SessionTable) throws(Problem) -> Durability? {
        guard let name = try string("durability") else { return nil }
        guard let durability = Durability(rawValue: name) else {
            throw .invalid("\(place)durability must be one of none, async, sync.")
        }
        guard durability == .none || sessions.store != nil else {
            throw .invalid("This server keeps no sessions on disk (--state-dir), so durability can only be none.")
        }
        return durability
    }

    /// How time steps are combined: as asked, else as the model has it.
    func scan(_ served: ServedModel) throws(Problem) -> ScanMode {
        guard let name = try string("scan") else { return served.model.scan }
        let scans = served.model.scans
        guard let scan = scans.first(where: { $0.rawValue == name }) else {
            throw .invalid(
                "\(place)scan must be \(scans.count > 1 ? "one of " : "")\(scans.map(\.rawValue).joined(separator: ", ")) for "
                    + "model \"\(served.id)\", whose cell is \(served.model.configuration.cellName).")
        }
        return scan
    }

    /// Whether states of prompts may be used and kept.
    func usesCache() throws(Problem) -> Bool {
        guard let field = self["cache"] else { return true }
        switch try Fields(field, at: place + "cache.", allowed: ["mode"]).required("mode") {
        case "auto": return true
        case "bypass": return false
        default: throw .invalid("\(place)cache.mode must be auto or bypass.")
        }
    }

    /// Whether the input is to be scored; only tokens have probabilities.
    func score(_ served: ServedModel, _ input: InputSequence?) throws(Problem) -> Bool {
        guard try bool("score") else { return false }
        guard served.model.configuration.output == .logits else {
            throw .invalid("Model \"\(served.id)\" gives vectors, which have no probabilities to score.")
        }
        return input != nil
    }
}
