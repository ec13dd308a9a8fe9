import Foundation
import JSON
import TestSupport
import Testing

@Suite("Metrics, access log and messages")
struct ObservabilityTests {
    /// The samples of an exposition, by name and labels.
    private func samples(_ text: String) throws -> [String: Double] {
        var samples: [String: Double] = [:]
        var types: Set<String> = []
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# TYPE ") { types.insert(String(line.split(separator: " ")[2])) }
            if line.hasPrefix("#") { continue }
            let space = try #require(line.lastIndex(of: " "), "\(line)")
            let name = String(line[..<space])
            let base = name.prefix { $0 != "{" }
            let endings = ["", "_bucket", "_sum", "_count"]
            #expect(types.contains { type in endings.contains { type + $0 == base } }, "\(name) has no type")
            #expect(samples[name] == nil, "\(name) stands twice")
            let number = Double(String(line[line.index(after: space)...]))
            let value: Double = try #require(number, "\(line)")
            samples[name] = value
        }
        return samples
    }

    @Test("metrics count what has been done") func metrics() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder)
        let client = server.client()
        let before = try client.get("/metrics")
        #expect(before.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        let id = try client.post("/v1/sessions", #"{"model":"letters","text":"abc"}"#).string("id")
        for _ in 0..<5 { _ = try client.act("step", on: id, #""token":1"#) }
        _ = try client.act("generate", on: id, #""max_tokens":7"#)
        #expect(try client.get("/v1/sessions/nobody").status == 404)
        #expect(try client.get("/nowhere").status == 404)
        #expect(try client.request("DELETE", "/v1/sessions/\(id)").status == 204)
        let samples = try samples(client.get("/metrics").text)
        func requests(_ method: String, _ route: String, _ status: Int) -> Double? {
            samples["scanstep_http_requests_total{method=\"\(method)\",route=\"\(route)\",status=\"\(status)\"}"]
        }
        #expect(requests("POST", "/v1/sessions/{id}/step", 200) == 5)
        #expect(requests("GET", "/v1/sessions/{id}", 404) == 1 && requests("", "", 404) == 1)
        let steps = "{method=\"POST\",route=\"/v1/sessions/{id}/step\"}"
        #expect(samples["scanstep_http_request_duration_seconds_count" + steps] == 5)
        #expect((samples["scanstep_http_request_duration_seconds_sum" + steps] ?? 0) > 0)
        #expect(samples["scanstep_steps_total{kind=\"prefill\"}"] == 3)
        #expect(samples["scanstep_steps_total{kind=\"step\"}"] == 12)
        #expect(samples["scanstep_generated_tokens_total"] == 7)
        #expect(samples["scanstep_queue_seconds_count"] == 7)
        #expect(samples["scanstep_batch_rows_count"] == samples["scanstep_batch_rows_bucket{le=\"+Inf\"}"])
        #expect(samples["scanstep_queue_works"] == 0 && samples["scanstep_queue_input_bytes"] == 0)
        #expect(samples["scanstep_sessions{tier=\"memory\"}"] == 0)
        #expect(samples["scanstep_sessions_ended_total{reason=\"deleted\"}"] == 1)
        #expect(samples["scanstep_connections"] == 1 && samples["scanstep_models"] == 1)
        #expect((samples["process_resident_memory_bytes"] ?? 0) > 1e6 && (samples["process_open_fds"] ?? 0) > 3)
        let age = Date().timeIntervalSince1970 - (samples["process_start_time_seconds"] ?? 0)
        #expect((-2...120).contains(age), "\(age)")
        #expect(server.terminate() == 0)
    }

    @Test("metrics name the build") func build() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder)
        let line = try #require(
            server.client().get("/metrics").text.split(separator: "\n").first { $0.hasPrefix("scanstep_build_info{") })
        let version = try FinishedProgram(["--version"]).output.split(separator: "\n")[0]
        #expect(line.hasSuffix("} 1") && line.contains("version=\"\(version)\""))
        for name in ["commit", "march", "swift"] { #expect(line.contains(",\(name)=\"")) }
        #expect(line.contains(/swift="6\.\d"/))
        #expect(server.terminate() == 0)
    }

    @Test("lines of a duplex stream are steps in the metrics, and a stream's whole time is no request's") func streams()
        throws
    {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder)
        let client = server.client()
        for id in ["a", "b"] { try client.create(id, of: "letters", #","text":"ab""#) }
        let lines = [#"{"token":1}"#, #"{"token":2}"#, #"{"token":99}"#, ""].joined(separator: "\n")
        #expect(try client.post("/v1/sessions/a/stream", lines).text.contains(#""steps":2,"errors":1"#))
        // It stays open for a second at least, and a keep-alive line comes while it is idle.
        let socket = try RawSocket(port: server.port)
        try socket.send(
            "POST /v1/sessions/b/stream?keep_alive_seconds=1 HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        #expect(try socket.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
        #expect(String(decoding: try socket.read(count: 6), as: UTF8.self) == "1\r\n\n\r\n")
        try socket.send("0\r\n\r\n")
        #expect(try socket.read(until: "0\r\n\r\n").contains("\"done\":true"))
        _ = try client.act("step", on: "a", #""token":1"#)
        #expect(try client.post("/v1/sessions/a/step", "{}").status == 422)
        #expect(
            try client.post("/v1/step", #"{"steps":[{"session":"a","token":1},{"session":"b","token":1}]}"#).status
                == 200)

        let samples = try samples(client.get("/metrics").text)
        for (kind, count) in [("line", 2.0), ("request", 1), ("batch", 1)] {
            #expect(samples["scanstep_step_duration_seconds_count{kind=\"\(kind)\"}"] == count, "\(kind)")
            let sum = samples["scanstep_step_duration_seconds_sum{kind=\"\(kind)\"}"] ?? 0
            #expect(sum > 0 && sum < 60, "\(kind)")
        }
        let stream = "{method=\"POST\",route=\"/v1/sessions/{id}/stream\"}"
        #expect(samples["scanstep_http_request_duration_seconds_count" + stream] == 2)
        #expect(samples["scanstep_http_stream_duration_seconds_count" + stream] == 2)
        let (begun, whole) = ("scanstep_http_request_duration_seconds_sum", "scanstep_http_stream_duration_seconds_sum")
        #expect((samples[whole + stream] ?? 0) >= 1)
        #expect((samples[begun + stream] ?? 9) < (samples[whole + stream] ?? 0) / 2)
        let step = "{method=\"POST\",route=\"/v1/sessions/{id}/step\"}"
        #expect(samples["scanstep_http_stream_duration_seconds_count" + step] == nil)
        #expect(server.terminate() == 0)
    }

    @Test("an admin port takes the metrics, and nothing else") func adminPort() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder, ["--admin-port", "0"])
        let port = try #require(server.port(behind: "scanstep: metrics on http://127.0.0.1:"))
        let admin = HTTPClient(port: port)
        try server.client().get("/metrics").expectProblem(404, "not-found")
        for path in ["/metrics", "/livez", "/readyz"] { #expect(try admin.get(path).status == 200) }
        try admin.get("/v1/models").expectProblem(404, "not-found")
        #expect(server.terminate() == 0)
    }

    @Test("the access log has a line of JSON for each request, and SIGHUP opens its file anew") func accessLog() throws
    {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let logs = TemporaryFolder()
        let path = logs.path + "/access.log"
        let server = try ServerProcess(serving: folder, ["--access-log", path])
        let client = server.client()
        let trace = "0af7651916cd43dd8448eb211c80319c"
        let made = try client.post(
            "/v1/sessions", #"{"model":"letters","id":"a"}"#,
            headers: [("traceparent", "00-\(trace)-b7ad6b7169203331-01"), ("X-Request-Id", "mine.1")])
        _ = try client.request("GET", "/v1/sessions/a?q=\"x\"", headers: [("traceparent", "00-\(trace)-zz-01")])
        let bad = try RawSocket(port: server.port)
        try bad.send("GET / HTTP/3.0\r\n\r\n")
        _ = try bad.readUntilClose()
        try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
        server.send(signal: SIGHUP)
        #expect(server.waitForError("folder of models read again"))
        _ = try client.get("/livez")
        #expect(server.terminate() == 0)

        let old = try String(contentsOfFile: path + ".1", encoding: .utf8).split(separator: "\n")
            .map { try JSONDocument(parsing: Array($0.utf8)).root }
        try #require(old.count == 3)
        #expect(old[0]["id"]?.string == "mine.1" && old[0]["status"]?.int == 201)
        #expect(old[0]["method"]?.string == "POST" && old[0]["target"]?.string == "/v1/sessions")
        #expect(old[0]["client"]?.string == "127.0.0.1" && old[0]["protocol"]?.string == "HTTP/1.1")
        #expect(old[0]["trace_id"]?.string == trace && old[0]["parent_id"]?.string == "b7ad6b7169203331")
        #expect(old[0]["received"]?.int == 28 && old[0]["sent"]?.int == made.body.count)
        #expect((old[0]["microseconds"]?.int ?? 0) > 0 && old[0]["time"]?.string?.hasSuffix("Z") == true)
        #expect(old[1]["route"]?.string == "/v1/sessions/{id}" && old[1]["trace_id"] == nil)
        #expect(old[2]["status"]?.int == 505 && old[2]["method"]?.string == "-")
        let new = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(new.count == 1 && new[0].contains("\"/livez\""))
    }

    @Test("messages come as JSON where that is asked for") func messages() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder, ["--log-format", "json", "--admin-port", "0"])
        #expect(server.terminate() == 0)
        let places = try server.outputText.split(separator: "\n").map { try JSONDocument(parsing: Array($0.utf8)).root }
        let address = "http://127.0.0.1:\(server.port)"
        #expect(places.count == 2 && places.allSatisfy { $0["level"]?.string == "info" && $0["time"]?.string != nil })
        #expect(places[0]["message"]?.string == "scanstep: listening on " + address)
        #expect(places[0]["address"]?.string == address)
        #expect(places[1]["address"]?.string?.hasSuffix("/metrics") == true)
        let lines = try server.errorText.split(separator: "\n").map { try JSONDocument(parsing: Array($0.utf8)).root }
        #expect(lines.allSatisfy { $0["level"]?.string == "info" && $0["time"]?.string != nil })
        #expect(lines.contains { $0["message"]?.string == "draining" && $0["signal"]?.string == "SIGTERM" })
        let bad = try FinishedProgram(serving: folder.path, ["--access-log", folder.path + "/nowhere/access.log"])
        #expect(bad.status == 1 && bad.errors.contains("cannot write --access-log"))
    }
}
