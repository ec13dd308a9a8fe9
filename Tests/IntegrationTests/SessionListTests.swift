import JSON
import TestSupport
import Testing

@Suite("The list of sessions and its bound")
struct SessionListTests {
    @Test("sessions are listed a page at a time in the order of their making") func pages() throws {
        let folder = TemporaryFolder()
        LiveModels.both(folder)
        let server = try ServerProcess(serving: folder)
        let client = server.client()
        func page(_ query: String) throws -> (ids: [String], more: Bool, last: String?) {
            let reply = try client.get("/v1/sessions" + query)
            #expect(reply.status == 200)
            let list = try reply.json
            #expect(list["object"]?.string == "list")
            let ids = try #require(list["data"]).elements.compactMap { $0["id"]?.string }
            return (ids, try #require(list["has_more"]?.bool as Bool?), list["last_id"]?.string)
        }
        var (ids, more, last) = try page("")
        #expect(ids.isEmpty && !more && last == nil)

        let names = (0..<25).map { "n\($0)" }
        for (index, name) in names.enumerated() { try client.create(name, of: index % 2 == 0 ? "letters" : "vectors") }
        (ids, more, last) = try page("")
        #expect(ids == names && !more && last == "n24")

        var (seen, query): ([String], String) = ([], "?limit=10")
        for expectedCount in [10, 10, 5] {
            (ids, more, last) = try page(query)
            #expect(ids.count == expectedCount && more == (expectedCount == 10))
            seen += ids
            query = "?limit=10&after=" + (try #require(last))
        }
        #expect(seen == names)
        (ids, more, last) = try page("?after=n24")
        #expect(ids.isEmpty && !more && last == nil)

        // A page goes on behind a session that has been deleted since.
        #expect(try client.request("DELETE", "/v1/sessions/n9").status == 204)
        (ids, more, last) = try page("?limit=3&after=n9")
        #expect(ids == ["n10", "n11", "n12"] && more && last == "n12")
        for limit in ["0", "1001", "-1", "x", ""] {
            try client.get("/v1/sessions?limit=" + limit).expectProblem(422, "invalid-input", mentioning: "limit")
        }
        #expect(server.terminate() == 0)
    }

    @Test("beyond the memory for sessions the least recently used goes first, and is gone as evicted")
    func eviction() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let stateBytes = try stateBytes(folder)
        let server = try ServerProcess(serving: folder, ["--session-memory", "\(4 * (stateBytes + 256))B"])
        let client = server.client()
        for index in 0..<4 { try client.create("s\(index)", of: "letters", #","tokens":[1,2]"#) }
        // Used again, so that s1 is now the one that waited longest.
        _ = try client.act("step", on: "s0", #""token":3"#)
        try client.create("s4", of: "letters")
        let reply = try client.get("/v1/sessions/s1")
        try reply.expectProblem(410, "session-gone")
        #expect(try reply.string("reason") == "evicted")
        #expect(try reply.int("last_step") == 2)
        try client.post("/v1/sessions/s1/step", #"{"token":1}"#).expectProblem(410, "session-gone")
        #expect(try ["s0", "s2", "s3", "s4"].map { try client.step(of: $0) } == [3, 2, 2, 0])
        // Looking at a session is no use of it.
        try client.create("s1", of: "letters")
        try client.get("/v1/sessions/s2").expectProblem(410, "session-gone")
        #expect(try client.step(of: "s1") == 0)
        #expect(server.terminate() == 0)
    }

    @Test("a state that is larger than the whole memory for sessions is refused, other work goes on")
    func tooLarge() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder, ["--session-memory", "300B"])
        let client = server.client()
        for body in [#"{"model":"letters"}"#, #"{"model":"letters","tokens":[1]}"#] {
            let reply = try client.post("/v1/sessions", body)
            try reply.expectProblem(507, "session-store-full")
            #expect(try reply.int("limit") == 300)
        }
        #expect(try client.post("/v1/prefill", #"{"model":"letters","sequences":[{"tokens":[1]}]}"#).status == 200)
        #expect(server.terminate() == 0)
    }

    private func stateBytes(_ folder: TemporaryFolder) throws -> Int {
        let server = try ServerProcess(serving: folder)
        return try server.client().get("/v1/models/letters").int("state_bytes")
    }
}
