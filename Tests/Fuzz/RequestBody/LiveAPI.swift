import API
import EventLoop
import FuzzSupport
import HTTP
import Inference
import Recurrent
import Sessions
import TestSupport

/// A server of two small models in this process, with the session `t` of one that takes tokens and `v` of one that takes
/// vectors. Its clock of sessions stands still, so that the same sessions read the same.
final class LiveAPI {
    let client: Client
    private let sessions: SessionTable
    private let scheduler: Scheduler
    private let server: HTTPServer
    /// The list of sessions before anything is asked.
    private var untouched = ""

    init() {
        var (tokens, vectors) = (RandomModel(), RandomModel())
        (tokens.width, tokens.innerWidth, tokens.kernel, tokens.mlpWidth) = (4, 6, 2, nil)
        tokens.vocabularySize = 8
        (vectors.cell, vectors.width, vectors.innerWidth, vectors.mlpWidth) = ("minLSTM", 3, 3, 5)
        (vectors.inputSize, vectors.outputSize) = (3, 2)
        let folder = TemporaryFolder()
        let models = [
            tokens.write(to: folder, name: "tokens", characters: "abcdefgh"),
            vectors.write(to: folder, name: "vectors"),
        ].map { ServedModel(try! ModelFolder(path: $0), created: 0) }
        sessions = SessionTable(budget: 64 << 20) { 0 }
        scheduler = Scheduler(models, sessions: sessions, clock: { MonotonicInstant.now.nanoseconds })
        let service = Service(
            catalog: Catalog(models), sessions: sessions, scheduler: scheduler, policy: SessionPolicy(), clock: { 0 })
        let observer = HTTPObserver(failed: { error, _ in fatalError("a handler failed: \(error)") })
        let gate = Gate(keys: nil, metrics: ServerMetrics())
        gate.open(service)
        server = try! HTTPServer(
            doors: [.init(.tcp(host: "127.0.0.1", port: 0), gate.router())], observer: observer,
            errorResponder: Service.errorResponder)
        client = Client(port: try! server.start()[0])
        reset()
    }

    /// Ends all sessions and makes the two anew.
    func reset() {
        while let (records, _) = try? sessions.list(limit: 1000, after: nil), !records.isEmpty {
            for record in records { _ = try? sessions.delete(record.id) }
        }
        make(
            """
            {"model": "tokens", "id": "t", "tokens": [1, 2], "recent_states": 2}
            """)
        make(
            """
            {"model": "vectors", "id": "v", "vectors": [[1, 2, 3]]}
            """)
        let name = client.ask("POST", "/v1/sessions/t/checkpoints", Array(#"{"name": "c"}"#.utf8))
        demand(name.status == 201, name.text)
        untouched = list()
    }

    /// Sessions read as they did before.
    func checkUntouched(_ what: @autoclosure () -> String) {
        let now = list()
        demand(now == untouched, "\(what())\nbefore: \(untouched)\nnow: \(now)")
    }

    private func make(_ body: String) {
        let reply = client.ask("POST", "/v1/sessions", Array(body.utf8))
        demand(reply.status == 201, reply.text)
    }

    private func list() -> String { client.ask("GET", "/v1/sessions").text }
}
