import HTTP
import Inference
import JSON
import Sessions

/// The routes of the native API over the models, sessions and the scheduler. One reference, which all handlers share.
public final class Service: Sendable {
    /// Sequences of one prefill and steps of one batched step.
    static let batchLimit = 4096

    public let catalog: Catalog
    public let sessions: SessionTable
    public let scheduler: Scheduler
    let clock: @Sendable () -> Double
    /// Of sessions that do not say otherwise.
    let policy: SessionPolicy
    let resumptions = Resumptions()
    let inferStatistics = InferStatistics()
    /// How long the lines of duplex streams took that have made a step.
    let lineSeconds = SharedHistogram()
    /// Nil where nothing is behind the models that are served.
    let repository: (any ModelRepository)?

    /// - Parameters:
    ///   - policy: of sessions that do not say otherwise.
    ///   - clock: seconds since 1970.
    public init(
        catalog: Catalog, sessions: SessionTable, scheduler: Scheduler, policy: SessionPolicy,
        repository: (any ModelRepository)? = nil, clock: @escaping @Sendable () -> Double
    ) {
        (self.catalog, self.sessions, self.scheduler, self.clock) = (catalog, sessions, scheduler, clock)
        (self.policy, self.repository) = (policy, repository)
        sessions.whenEnded { [resumptions] in resumptions.forget($0.id, serial: $0.serial) }
    }

    /// Renders errors of the HTTP layer as problems.
    public static let errorResponder: ErrorResponder = { error, context in
        let target = context.head?.target ?? ""
        if error.status == .notFound, let foreign = ForeignPath(target) { return foreign.response(context) }
        return ErrorShape(of: target).response(Problem(error))
    }

    // MARK: Looking things up

    public var models: [ServedModel] { catalog.models }

    /// The model called `id`, if the caller may use it.
    func model(_ id: String, _ request: Request) throws(Problem) -> ServedModel {
        let models = models
        guard let served = models.first(where: { $0.id == id }) else {
            let known = models.filter { request.maySee($0) }.map(\.id).joined(separator: ", ")
            var problem = Problem(
                .notFound, "model-not-found", "There is no model \"\(id)\"; served are \(known).")
            problem.parameter = "model"
            throw problem
        }
        guard request.maySee(served) else { throw .forbidden(served) }
        return served
    }

    /// The caller's session called `id` and its model.
    func session(_ id: String, _ request: Request) throws(Problem) -> (record: SessionRecord, served: ServedModel) {
        let scoped = request.scoped(id)
        let record = try asked { () throws(SessionError) in try sessions.record(scoped) }
        guard let served = models.first(where: { $0.id == record.model }) else {
            throw Problem(.sessionNotServed(id: record.id, model: record.model))
        }
        guard request.maySee(served) else { throw .forbidden(served) }
        return (record, served)
    }

    /// What the table of sessions says, or its refusal as a problem.
    func asked<R>(_ body: () throws(SessionError) -> R) throws(Problem) -> R {
        do throws(SessionError) { return try body() } catch { throw Problem(error) }
    }

    /// Runs one work; it is dropped when the client has gone, which cancels the connection's task.
    func run(_ work: Work) async throws(Problem) -> Completion {
        do {
            return try await scheduler.run(work)
        } catch {
            throw Problem(error)
        }
    }

    /// Runs several works. Where none of them was begun for a reason that concerns them all, that is the request's.
    func run(_ works: [Work]) async throws(Problem) -> [Result<Completion, InferenceError>] {
        let results = await scheduler.run(works)
        guard case .failure(let error)? = results.first,
            results.allSatisfy({ if case .failure(error) = $0 { true } else { false } })
        else { return results }
        switch error {
        case .queueFull, .queueBytesFull, .overloaded, .draining, .deadlinePassed: throw Problem(error)
        default: return results
        }
    }
}

extension JSONWriter {
    /// The text as the whole content of a reply: it ends with a line feed, so that a shell's prompt does not follow it.
    consuming func document() -> [UInt8] {
        newline()
        return bytes
    }

    /// Writes the members that every list has: each of `elements`, by `write`, as an element of `data`.
    mutating func list<Element>(_ elements: [Element], _ write: (Element, inout JSONWriter) -> Void) {
        field("object", "list")
        key("data")
        beginArray()
        for element in elements { write(element, &self) }
        endArray()
    }
}

extension Response {
    /// A JSON reply.
    init(_ status: HTTPStatus = .ok, json: consuming JSONWriter) {
        self.init(status, fields: Self.jsonFields, body: .bytes(json.document()))
    }

    private static let jsonFields: HeaderFields = ["content-type": "application/json"]
}
