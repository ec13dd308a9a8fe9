import Foundation
import TestSupport
import Testing

@Suite("Readers of streams that read no more")
struct StuckReaderTests {
    private func server() throws -> (ServerProcess, TemporaryFolder) {
        let folder = TemporaryFolder()
        var model = RandomModel()
        (model.layers, model.width, model.innerWidth, model.mlpWidth) = (1, 8, 8, nil)
        model.write(to: folder, name: "letters", characters: LiveModels.characters)
        return (try ServerProcess(serving: folder, ["--write-timeout", "150ms"]), folder)
    }

    private static let requests = [
        ("/v1/sessions/s/generate", #"{"text":"abc","max_tokens":100000,"stream":true}"#),
        ("/v1/completions", #"{"model":"letters","prompt":"abc","max_tokens":100000,"n":2,"stream":true}"#),
        ("/v2/models/letters/generate_stream", #"{"text_input":"abc","max_tokens":100000}"#),
    ]

    @Test("are dropped when they take nothing for the write timeout, and their generations end", arguments: requests)
    func ends(path: String, body: String) throws {
        let (server, folder) = try server()
        defer { withExtendedLifetime(folder) {} }
        let client = server.client()
        try client.create("s", of: "letters")
        let socket = try RawSocket(port: server.port)
        try socket.send(
            "POST \(path) HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        #expect(try socket.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
        // The socket stays open and is not read: the generation must end all the same.
        let deadline = Date(timeIntervalSinceNow: 20)
        var isOver = false
        while !isOver, Date() < deadline {
            isOver = try client.get("/metrics").text.contains("\nscanstep_queue_works 0\n")
        }
        #expect(isOver, "the generation goes on without a reader")
        #expect(server.terminate(seconds: 10) == 0)
        #expect(server.errorText.contains("cut_off=false"), "\(server.errorText)")
        socket.close()
    }
}
